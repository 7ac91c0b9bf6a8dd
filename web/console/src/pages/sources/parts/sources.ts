// What a source is called and how far it is, for the pages that show it.

import type { components } from '@okra/client';

export type Source = components['schemas']['SourceBody'];
export type SourceKind = components['schemas']['SourceKind'];
export type SourcePage = components['schemas']['SourcePageBody'];
export type PageState = components['schemas']['PageState'];
export type LogEntry = components['schemas']['LogEntryBody'];
export type Places = components['schemas']['PlacesBody'];

export const KINDS = ['site', 'feed', 'folder', 'bucket'] as const satisfies readonly SourceKind[];
export const CADENCES = ['manual', 'hourly', 'daily', 'weekly'] as const;
export const PAGE_STATES = ['new', 'ready', 'duplicate', 'moved', 'excluded', 'failed', 'gone', 'removed'] as const satisfies readonly PageState[];

/** The word for each state of a page, where the state's own name is another thing's already. */
export const PAGE_WORDS = {
  new: 'newPage',
  ready: 'readyPage',
  duplicate: 'duplicate',
  moved: 'moved',
  excluded: 'excluded',
  failed: 'failedPage',
  gone: 'gonePage',
  removed: 'removed',
} as const satisfies Record<PageState, string>;

/** Whether a sync of it waits or is under way. */
export const isSyncing = ({ state }: Source): boolean => state === 'waiting' || state === 'syncing';

/** How far the sync under way is, from 0 to 1; undefined before its first pages are known. */
export function progressOf({ state, pages }: Source): number | undefined {
  if (state !== 'syncing' || pages.total === 0) return undefined;
  return (pages.total - pages.pending) / pages.total;
}

/** The patterns that were typed, one a line. */
export const patternsOf = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter(Boolean);

/** The list with a source as it now is: in its place, or first where it is new; without it where it is gone. */
export function told(list: readonly Source[], event: { source: Source | null; source_id: string }): Source[] {
  const { source, source_id } = event;
  if (!source) return list.filter(({ id }) => id !== source_id);
  if (!list.some(({ id }) => id === source_id)) return [source, ...list];
  return list.map((known) => (known.id === source_id ? source : known));
}
