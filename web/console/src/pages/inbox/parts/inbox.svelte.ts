// The inbox: one queue of conversations at a time, kept up with what happens.

import { body, type Client } from '@okra/client';
import { Listing } from '../../../lib/listing.svelte';
import type { Conversation } from '../../conversations/parts/conversations.svelte';

export const QUEUES = ['waiting', 'mine', 'bot', 'all', 'resolved'] as const;
export type Queue = (typeof QUEUES)[number];

export interface Counts {
  waiting: number;
  mine: number;
}

/** The queue that an address names; those who wait where it names none. */
export function queueOf(query: URLSearchParams): Queue {
  return QUEUES.find((queue) => queue === query.get('queue')) ?? 'waiting';
}

/** Whether a conversation belongs to a queue of this person's. */
export function belongs({ state, is_human_mode: human, assignee_id, platform }: Conversation, queue: Queue, me: string | undefined): boolean {
  if (platform === 'playground') return false;
  switch (queue) {
    case 'waiting':
      return human && state === 'waiting';
    case 'mine':
      return human && !!assignee_id && assignee_id === me;
    case 'bot':
      return !human && state !== 'resolved';
    case 'all':
      return state !== 'resolved';
    case 'resolved':
      return state === 'resolved';
  }
}

export class Inbox {
  readonly list: Listing<Conversation>;
  counts = $state.raw<Counts>();
  #queue: Queue = 'waiting';

  constructor(
    api: Client,
    private readonly me: () => string | undefined,
  ) {
    this.list = new Listing<Conversation>(async (page, limit, signal) => {
      const params = { query: { queue: this.#queue, page, limit } };
      const reply = await body(api.GET('/api/external/inbox', { params, signal }));
      this.counts = reply.counts;
      return reply as { data: Conversation[]; pagination: { total: number } };
    });
  }

  /** Shows a queue. */
  async show(queue: Queue): Promise<void> {
    if (queue !== this.#queue) this.list.rows = undefined; // what was there belongs to another
    this.#queue = queue;
    await this.list.reload();
  }

  /** Takes a conversation as it now is. The server has the last word on how many there are. */
  take(conversation: Conversation): void {
    const { list } = this;
    const known = list.find(conversation.id);
    if (!belongs(conversation, this.#queue, this.me())) {
      if (known) list.remove(conversation.id);
    } else if (known && known.updated_at === conversation.updated_at) {
      list.update(conversation);
    } else {
      list.lead(conversation);
    }
    list.reloadSoon();
  }
}
