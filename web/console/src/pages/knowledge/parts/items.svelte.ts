// A chatbot's knowledge items as the list shows them: filtered, and kept up with what happens to them.

import { ApiError, body, type Client, type components } from '@okra/client';
import { Listing } from '../../../lib/listing.svelte';

export type Item = components['schemas']['KnowledgeItem'];
export type ItemKind = components['schemas']['ItemKind'];
export type ItemStatus = components['schemas']['ItemStatus'];

export const KINDS = ['file', 'url', 'qna', 'text'] as const satisfies readonly ItemKind[];
export const STATUSES = ['pending', 'processing', 'ready', 'failed'] as const satisfies readonly ItemStatus[];

export interface ItemFilter {
  status?: ItemStatus;
  type?: ItemKind;
  enabled?: boolean;
  search?: string;
}

/** The filter that an address names; what is no filter of ours is left out. */
export function filterOf(query: URLSearchParams): ItemFilter {
  const status = STATUSES.find((word) => word === query.get('status'));
  const type = KINDS.find((word) => word === query.get('type'));
  const enabled = { true: true, false: false }[query.get('enabled') ?? ''];
  const search = query.get('search')?.trim();
  return { ...(status && { status }), ...(type && { type }), ...(enabled !== undefined && { enabled }), ...(search && { search }) };
}

/** Whether the item passes, as far as that can be told here: the server alone knows where words stand. */
export function fits(item: Item, { status, type, enabled }: ItemFilter): boolean {
  return (!status || item.status === status) && (!type || item.type === type) && (enabled === undefined || item.enabled === enabled);
}

/** Whether the item is still to be read. */
export const unfinished = (item: Item): boolean => item.status === 'pending' || item.status === 'processing';

/** Unfinished items that are asked for one by one; of more, the list is loaded anew. */
const ONE_BY_ONE = 8;

export class Items {
  readonly list: Listing<Item>;
  #filter: ItemFilter = {};
  #asking = false;

  constructor(
    private readonly api: Client,
    private readonly chatbotId: string,
  ) {
    this.list = new Listing<Item>((page, limit, signal) => {
      const params = { path: { chatbotId }, query: { page, limit, ...this.#filter } };
      return body(api.GET('/api/external/chatbot/{chatbotId}/knowledge-base', { params, signal }));
    });
  }

  /** Shows what passes `filter`. */
  async filter(filter: ItemFilter): Promise<void> {
    this.#filter = filter;
    await this.list.reload();
  }

  /** Takes an item as it now is, from an answer or an event; of two that cross, the later one counts. */
  take(item: Item): void {
    const { list } = this;
    const known = list.find(item.id);
    if (known && Date.parse(known.updated_at) > Date.parse(item.updated_at)) return;
    if (!fits(item, this.#filter)) {
      if (known) list.remove(item.id);
    } else if (known) {
      list.update(item);
    } else if (this.#filter.search !== undefined) {
      list.reloadSoon();
    } else {
      const place = this.#placeOf(item);
      if (place !== undefined) list.insert(item, place);
      // It has come to pass the filter; without one it is in the part that is not loaded.
      else if (Object.keys(this.#filter).length > 0) list.reloadSoon();
    }
  }

  /** Where a new item belongs among the newest; undefined where that is in a part that is not loaded. */
  #placeOf(item: Item): number | undefined {
    const rows = this.list.rows ?? [];
    const created = Date.parse(item.created_at);
    const at = rows.findIndex((row) => !row || Date.parse(row.created_at) <= created);
    if (at === -1) return rows.length;
    return rows[at] ? at : undefined;
  }

  /** Takes what an event tells: the item, or that it is gone. */
  told(event: { item: Item | null; item_id: string }): void {
    if (event.item) this.take(event.item);
    else this.list.remove(event.item_id);
  }

  /** Asks how far the unfinished items are; for while no events come. */
  async ask(): Promise<void> {
    const waiting = this.list.known().filter(unfinished);
    if (this.#asking || waiting.length === 0) return;
    this.#asking = true;
    try {
      if (waiting.length > ONE_BY_ONE) await this.list.reload();
      else await Promise.all(waiting.map((item) => this.#askFor(item)));
    } finally {
      this.#asking = false;
    }
  }

  async #askFor({ id }: Item): Promise<void> {
    const params = { path: { chatbotId: this.chatbotId, itemId: id } };
    try {
      this.take((await body(this.api.GET('/api/external/chatbot/{chatbotId}/knowledge-base/{itemId}', { params }))).data);
    } catch (thrown) {
      // It was deleted meanwhile; what else went wrong is tried again with the next round.
      if (ApiError.from(thrown).status === 404) this.list.remove(id);
    }
  }
}
