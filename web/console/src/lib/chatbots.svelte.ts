// The organization's chatbots, which the list and the switcher show, and the one that is worked on.

import { body, type Client, type components } from '@okra/client';
import { Resource } from './resource.svelte';

export type ChatbotSummary = components['schemas']['ChatbotSummary'];
export type ChatbotDetails = components['schemas']['ChatbotDetails'];
type ChatbotInput = components['schemas']['ChatbotInput'];

/** What shall change of a chatbot: what is left out, in `settings` too, stays as it is. */
export type ChatbotChange = Omit<ChatbotInput, 'id' | 'settings'> & { settings?: Partial<components['schemas']['Settings']> };

/** Where a chatbot's archive is, for a link: a link can name the organization in its address alone. */
export function exportPath(chatbotId: string, organization: string | undefined, chunks = true): string {
  const query = new URLSearchParams({ ...(organization ? { organization } : {}), ...(chunks ? {} : { chunks: 'false' }) });
  return `/api/external/chatbot/${chatbotId}/export${query.size > 0 ? `?${query}` : ''}`;
}

export class Chatbots {
  readonly list: Resource<ChatbotSummary[]>;

  constructor(private readonly api: Client) {
    this.list = new Resource(async (signal) => {
      const list: ChatbotSummary[] = [];
      for (let page = 1, pages = 1; page <= pages; page += 1) {
        const query = { page, limit: 200 };
        const reply = await body(api.GET('/api/external/chatbots', { params: { query }, signal }));
        list.push(...reply.chatbots);
        pages = Math.ceil(reply.pagination.total / query.limit);
      }
      return list;
    });
  }

  async create(name: string): Promise<ChatbotDetails> {
    const reply = await body(this.api.POST('/api/external/chatbots', { body: { name } }));
    this.changed(reply.chatbot);
    return reply.chatbot;
  }

  async duplicate(chatbotId: string, name: string): Promise<void> {
    const path = { chatbotId };
    const call = this.api.POST('/api/external/chatbot/{chatbotId}/duplicate', { params: { path }, body: { name } });
    this.changed((await body(call)).chatbot);
  }

  async change(chatbotId: string, change: ChatbotChange): Promise<ChatbotDetails> {
    // A merge patch: openapi.json marks fields that have a default as always there, which holds for answers only.
    const input = change as ChatbotInput;
    const call = this.api.PATCH('/api/external/chatbot/{chatbotId}', { params: { path: { chatbotId } }, body: input });
    const { chatbot } = await body(call);
    this.changed(chatbot);
    return chatbot;
  }

  /** Takes a chatbot as it now is into the list. */
  changed(chatbot: ChatbotSummary): void {
    const list = this.list.data;
    if (!list) return;
    const known = list.some(({ id }) => id === chatbot.id);
    this.list.set(known ? list.map((old) => (old.id === chatbot.id ? chatbot : old)) : [...list, chatbot]);
  }

  deleted(id: string): void {
    const list = this.list.data;
    if (list) this.list.set(list.filter((chatbot) => chatbot.id !== id));
  }
}

/** The chatbot whose pages are open. Its details are there: pages are shown once they are. */
export class OpenChatbot {
  details = $state.raw() as ChatbotDetails;

  constructor(
    details: ChatbotDetails,
    private readonly chatbots: Chatbots,
  ) {
    this.details = details;
  }

  get id(): string {
    return this.details.id;
  }

  async change(change: ChatbotChange): Promise<void> {
    this.details = await this.chatbots.change(this.id, change);
  }

  /** Takes the chatbot as a change's answer gives it. */
  changed(details: ChatbotDetails): void {
    this.details = details;
    this.chatbots.changed(details);
  }
}
