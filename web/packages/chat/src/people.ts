// The people who answer in a conversation: who has it, what they write as it comes, and asking for one.
// No DOM, like the rest of this package.

import { ChatError, OFFLINE, type StoredMessage, type VisitorApi } from './api';

/** Who answers. */
export interface Handling {
  /** Whether the chatbot is silent because a person has the conversation, or is waited for. */
  is_human_mode: boolean;
  state: 'in_progress' | 'waiting' | 'resolved';
  /** What the person is called who has it. */
  agent: string | null;
  /** What the visitor is told who waits while nobody is there. */
  away?: string | null;
}

/** What the conversation does with what is heard. */
export interface Ears {
  handled(handling: Handling): void;
  /** An agent's message, which may be known already. */
  said(message: StoredMessage): void;
  typing(is: boolean): void;
  /** Begins the visitor's session anew, whose token has expired. */
  session(): Promise<void>;
  failed(error: unknown): void;
}

interface Surroundings {
  now: () => number;
  random: () => number;
  wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** How long somebody is shown as writing after word of it, and how seldom word is given, in milliseconds. */
const WRITES = 6_000;
const TELLS = 3_000;
/** The longest pause between two tries to listen, in milliseconds. */
const LONGEST = 30_000;

export class People {
  #listening: AbortController | undefined;
  #typing: AbortController | undefined;
  #told = 0;
  /** Whether the conversation is in sight, and the last that an agent wrote that was not. */
  #seen = true;
  #unread: string | undefined;

  constructor(
    private readonly api: VisitorApi,
    private readonly around: Surroundings,
    private readonly ears: Ears,
  ) {}

  /** Listens from now on, where that was not begun; there has to be a conversation. */
  listen(): void {
    if (!this.#listening) void this.#run((this.#listening = new AbortController()).signal);
  }

  stop(): void {
    this.#listening?.abort();
    this.#listening = undefined;
    this.#quiet();
  }

  /** Asks for a person; or stops waiting for one. */
  async call(wanted: boolean): Promise<void> {
    try {
      this.ears.handled(await this.api.person(wanted));
    } catch (error) {
      this.ears.failed(error);
    }
  }

  /** Tells that the visitor is writing, no more often than every few seconds. */
  async writes(): Promise<void> {
    const now = this.around.now();
    if (now - this.#told < TELLS) return;
    this.#told = now;
    await this.api.typing().catch(() => {}); // it is of no use later
  }

  /** The conversation is in sight, or not any more. */
  sees(is: boolean): void {
    this.#seen = is;
    if (is) this.#read(this.#unread);
  }

  /** An agent's message is there that the visitor had not seen. */
  arrived(message: string): void {
    if (this.#seen) this.#read(message);
    else this.#unread = message;
  }

  #read(message: string | undefined): void {
    this.#unread = undefined;
    if (message) void this.api.read(message).catch(() => {}); // the next one tells of this one too
  }

  async #run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      let pause: number | undefined;
      let first = true;
      try {
        for await (const event of this.api.events(signal)) {
          if (signal.aborted) return;
          // From the first event on nothing is missed. What came before it is read: after a gap, and
          // where a person has the conversation, who may have written while it was being opened.
          if (first && (failures > 0 || JSON.parse(event.data).is_human_mode)) await this.#catchUp();
          first = false;
          failures = 0;
          await this.#take(event.name, event.data);
        }
      } catch (error) {
        const { code, retryAfter } = error instanceof ChatError ? error : new ChatError(OFFLINE, '');
        if (code === 'visitor_token_invalid') await this.ears.session().catch(() => {});
        else if (code !== OFFLINE && code !== 'rate_limited') return; // refused: asking again changes nothing
        if (retryAfter) pause = retryAfter * 1000;
      }
      failures += 1;
      pause ??= Math.min(LONGEST, 500 * 2 ** (failures - 1)) * (0.5 + this.around.random() / 2);
      await this.around.wait(pause, signal).catch(() => {});
    }
  }

  async #take(name: string, data: string): Promise<void> {
    if (name === 'handling') this.ears.handled(JSON.parse(data));
    else if (name === 'typing') void this.#shown();
    else if (name === 'resync') await this.#catchUp();
    else if (name === 'message') {
      this.#quiet();
      this.ears.said(JSON.parse(data));
    }
  }

  /** Reads what agents wrote while nobody listened. */
  async #catchUp(): Promise<void> {
    const { data, handling } = await this.api.messages();
    for (const message of data) if (message.sender_type === 'agent') this.ears.said(message);
    if (handling) this.ears.handled(handling);
  }

  async #shown(): Promise<void> {
    this.#typing?.abort();
    const { signal } = (this.#typing = new AbortController());
    this.ears.typing(true);
    await this.around.wait(WRITES, signal).catch(() => {});
    if (!signal.aborted) this.#quiet();
  }

  #quiet(): void {
    if (!this.#typing) return;
    this.#typing.abort();
    this.#typing = undefined;
    this.ears.typing(false);
  }
}
