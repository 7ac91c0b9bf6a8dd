// What visitors asked in vain, as the server tells it.

import type { components } from '@okra/client';

type Schemas = components['schemas'];
export type Gap = Schemas['AskedGap'];
export type Asked = Schemas['GapQuestion'];
export type Draft = Schemas['PairDraft'];
export type Trial = Schemas['GapTrial'];
export type Item = Schemas['KnowledgeItem'];
export type State = Schemas['GapState'];

export const STATES = ['open', 'resolved', 'dismissed'] as const;
export const PERIODS = ['7', '30', '90', '366'] as const;

/** The state that an address names; the open ones where it names none. */
export const stateOf = (query: URLSearchParams): State => STATES.find((state) => state === query.get('state')) ?? 'open';

/** The days that an address names; a month where it names none of ours. */
export const daysOf = (query: URLSearchParams): (typeof PERIODS)[number] => PERIODS.find((days) => days === query.get('days')) ?? '30';

/** Whether a pair that was written for a gap can be tested: before that it is not found, and afterwards need not be. */
export const isRead = (item: Item | null | undefined): boolean => item?.status === 'ready';

/** How many of the tried questions find the gap's pair, likely enough to answer from it. */
export const foundIn = ({ questions }: Trial): number => questions.filter(({ place, answers }) => place != null && answers).length;
