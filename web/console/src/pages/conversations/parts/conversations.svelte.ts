// A chatbot's conversations as the list shows them: filtered, the one last spoken in first.

import { body, type Client, type components } from '@okra/client';
import { Listing } from '../../../lib/listing.svelte';

type Details = components['schemas']['SessionBody'];
/** A conversation in the list's form, whose last message is an object. */
export type Conversation = Omit<Details, 'last_message'> & {
  last_message?: { id: string; content: string; sender_type: 'user' | 'bot' | 'agent' } | null;
};
export type State = components['schemas']['SessionState'];

export const STATES = ['in_progress', 'waiting', 'resolved'] as const satisfies readonly State[];
/** Where conversations come from as a rule; an address may name others. */
export const PLATFORMS = ['web', 'playground', 'api'] as const;

export interface ConversationFilter {
  platform?: string;
  state?: State;
  /** Days in the person's time zone, such as `2026-11-24`; both are part of what is shown. */
  from?: string;
  to?: string;
  search?: string;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** The filter that an address names; what is no filter of ours is left out. */
export function filterOf(query: URLSearchParams): ConversationFilter {
  const platform = query.get('platform');
  const state = STATES.find((word) => word === query.get('state'));
  const [from, to] = ['from', 'to'].map((name) => query.get(name)).map((day) => (day && DAY.test(day) ? day : undefined));
  const search = query.get('search')?.trim();
  return { ...(platform && { platform }), ...(state && { state }), ...(from && { from }), ...(to && { to }), ...(search && { search }) };
}

/** The filter as the server takes it: days become the moments at which they begin and end here. */
export function queryOf({ from, to, ...rest }: ConversationFilter): ConversationFilter {
  return { ...rest, ...(from && { from: beginning(from, 0) }), ...(to && { to: beginning(to, 1) }) };
}

/** The moment at which the day `after` days after `day` begins. */
function beginning(day: string, after: number): string {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  return new Date(year, month - 1, date + after).toISOString();
}

/** Whether the conversation passes, as far as that can be told here: the server alone knows every word said. */
export function fits(conversation: Conversation, filter: ConversationFilter): boolean {
  const { platform, state, from, to } = queryOf(filter);
  const at = Date.parse(conversation.updated_at);
  return (
    (!platform || conversation.platform === platform) &&
    (!state || conversation.state === state) &&
    (!from || at >= Date.parse(from)) &&
    (!to || at < Date.parse(to))
  );
}

export class Conversations {
  readonly list: Listing<Conversation>;
  #filter: ConversationFilter = {};

  constructor(api: Client, chatbotId: string) {
    this.list = new Listing<Conversation>((page, limit, signal) => {
      const params = { path: { chatbotId }, query: { page, limit, ...queryOf(this.#filter) } };
      return body(api.GET('/api/external/chatbot/{chatbotId}/conversations', { params, signal }));
    });
  }

  /** Shows what passes `filter`. */
  async filter(filter: ConversationFilter): Promise<void> {
    this.#filter = filter;
    await this.list.reload();
  }

  /** Takes a conversation as it now is, after something was said in it or it was changed. */
  take(conversation: Conversation): void {
    const { list } = this;
    const known = list.find(conversation.id);
    if (!fits(conversation, this.#filter)) {
      if (known) list.remove(conversation.id);
    } else if (known && known.updated_at === conversation.updated_at) {
      list.update(conversation);
    } else if (known) {
      list.lead(conversation);
    } else if (this.#filter.search === undefined) {
      list.lead(conversation);
      // It is new, or it comes from a part that is not loaded: the server knows how many there are.
      list.reloadSoon();
    } else {
      list.reloadSoon();
    }
  }
}
