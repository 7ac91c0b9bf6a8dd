// What was said in one conversation: its latest part first, earlier parts as they are asked for.

import { ApiError, body, isAborted, type Client } from '@okra/client';
import type { Message } from './message';

/** Messages loaded at once. */
const LIMIT = 100;

export class Thread {
  messages = $state.raw<readonly Message[]>();
  /** Pages before the first that is there. */
  earlier = $state(0);
  loading = $state(false);
  error = $state.raw<ApiError>();
  readonly #stop = new AbortController();

  constructor(
    private readonly api: Client,
    private readonly chatbotId: string,
    readonly sessionId: string,
  ) {}

  /** Loads the latest part anew; what is there stays until it is. */
  async load(): Promise<void> {
    await this.#trying(async () => {
      const first = await this.#page(1);
      const last = Math.max(1, Math.ceil(first.pagination.total / LIMIT));
      const data = last === 1 ? first.data : (await this.#page(last)).data;
      // The last page may hold little; the one before gives it context.
      const before = last > 1 ? (await this.#page(last - 1)).data : [];
      this.earlier = Math.max(0, last - 2);
      this.messages = merged([], [...before, ...data]);
    });
  }

  /** Loads the part before what is there. */
  async loadEarlier(): Promise<void> {
    const page = this.earlier;
    if (page === 0 || this.loading) return;
    await this.#trying(async () => {
      const { data } = await this.#page(page);
      this.earlier = page - 1;
      this.messages = merged(data, this.messages ?? []);
    });
  }

  /** Takes a message as it now is. */
  take(message: Message): void {
    if (message.session_id === this.sessionId && this.messages) this.messages = merged(this.messages, [message]);
  }

  stop(): void {
    this.#stop.abort();
  }

  #page(page: number): Promise<{ data: Message[]; pagination: { total: number } }> {
    const params = { path: { chatbotId: this.chatbotId, sessionId: this.sessionId }, query: { page, limit: LIMIT } };
    const { signal } = this.#stop;
    return body(this.api.GET('/api/external/chatbot/{chatbotId}/conversations/{sessionId}/messages', { params, signal }));
  }

  async #trying(act: () => Promise<void>): Promise<void> {
    this.loading = true;
    try {
      await act();
      this.error = undefined;
    } catch (thrown) {
      if (!isAborted(thrown)) this.error = ApiError.from(thrown);
    } finally {
      this.loading = false;
    }
  }
}

/** Both lists in the order of their writing, each message once and as the second list has it. */
function merged(old: readonly Message[], latest: readonly Message[]): Message[] {
  const known = new Map([...old, ...latest].map((message) => [message.id, message]));
  return [...known.values()].sort((a, b) => Date.parse(a.created_at) - Date.parse(b.created_at));
}
