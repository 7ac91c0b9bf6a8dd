// One visitor's conversation: what was said, what is being answered, and how the connection stands.
// No DOM: time, randomness, storage and the network come in from outside.

import {
  ChatError, OFFLINE,
  type Attachment, type Call, type Identity, type Question, type Rating, type Source, type StoredMessage, type VisitorApi,
} from './api';
import { Images, type ImageLimits } from './images';
import { People, type Handling } from './people';
import type { ServerEvent } from './sse';

export type EntryState = 'sent' | 'writing' | 'complete' | 'cancelled' | 'failed';

/** One message as it is shown. */
export interface Entry {
  /** Stable for as long as it is shown. */
  key: string;
  /** The server's id, once there is one. */
  id: string | undefined;
  sender: 'user' | 'bot' | 'agent';
  content: string;
  images: readonly Attachment[];
  /** What the answer is given while it is being written, and what it rests on when it has ended. */
  sources: Source[];
  linkHosts: readonly string[];
  /** What may be asked next. */
  suggestions: readonly string[];
  /** Whether a person had better be offered. */
  offersPerson: boolean;
  /** What was called of the organization's tools, and what waits for the visitor. */
  calls: readonly Call[];
  feedback: Rating;
  /** What the agent is called who wrote it. */
  agent: string | undefined;
  state: EntryState;
  /** Why there is no whole answer, in the server's words. */
  error: string | undefined;
  /** The server's word for that, such as `budget_spent`. */
  code: string | undefined;
}

/** How things stand: `limited` and `failed` say why in `notice`. */
export type Status = 'closed' | 'starting' | 'idle' | 'answering' | 'reconnecting' | 'offline' | 'limited' | 'email';

export interface State {
  status: Status;
  entries: readonly Entry[];
  /** What went wrong, in a sentence. */
  notice: string;
  /** When sending is possible again, in milliseconds since 1970. */
  until: number;
  /** Who answers; undefined before the first message. */
  handling: Handling | undefined;
  /** Whether an agent is writing just now. */
  typing: boolean;
  /** How the visitor rated the settled conversation, from 1 to 5. */
  score: number | undefined;
}

export interface Surroundings {
  now: () => number;
  uuid: () => string;
  random: () => number;
  /** Waits; rejects when the signal is aborted. */
  wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Keeps the visitor's token; may do nothing where the browser forbids it. */
  load: () => string | null;
  save: (token: string | null) => void;
  /** Makes a picture that is too large smaller; rejects where it can't. */
  shrink: (file: Blob) => Promise<Blob>;
  /** The page's address and language. */
  page: string;
  language: string;
}

/** Tries to reconnect before giving up: about a minute and a half. */
const MAX_ATTEMPTS = 8;

/** How long to wait before try number `attempt` (from 0): half a second, doubled up to 20 s, jittered. */
export function backoff(attempt: number, random: number): number {
  return Math.min(20_000, 500 * 2 ** attempt) * (0.5 + random / 2);
}

export class Conversation {
  #state: State = { status: 'closed', entries: [], notice: '', until: 0, handling: undefined, typing: false, score: undefined };
  #listeners = new Set<(state: State) => void>();
  #abort: AbortController | undefined;
  #identity: Identity | undefined;
  #email: string | undefined;
  #last: Question | undefined;
  #begun: Promise<void> | undefined;
  #starting: Promise<void> = Promise.resolve();
  /** The images that will go with the next message. */
  readonly images: Images;
  /** The people who may answer in the chatbot's place. */
  readonly people: People;

  constructor(
    private readonly api: VisitorApi,
    private readonly around: Surroundings,
    limits: ImageLimits = { count: 0, bytes: 0 },
  ) {
    const session = (anew: boolean): Promise<void> => (anew || !this.#begun ? this.#session() : this.#begun);
    this.images = new Images(api, { ...around, session }, limits);
    this.people = new People(api, around, {
      handled: (handling) => this.#set({ handling }),
      said: (message) => this.#hear(message),
      typing: (typing) => this.#set({ typing }),
      session: () => this.#session(),
      failed: (error) => this.#notice(error),
    });
  }

  get state(): State {
    return this.#state;
  }

  /** Calls `listener` with each new state; gives the function that ends this. */
  subscribe(listener: (state: State) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Begins or goes on: a session, what was said before, and an answer that is still being written. */
  async start(asksEmail = false): Promise<void> {
    if (asksEmail && !this.#email && !this.#identity?.email && !this.around.load()) {
      this.#set({ status: 'email', notice: '' });
      return;
    }
    await (this.#starting = this.#start());
  }

  async #start(): Promise<void> {
    this.#set({ status: 'starting', notice: '' });
    try {
      await this.#session();
      const history = await this.api.messages();
      const entries = history.data.map((message): Entry => ({
        key: message.id,
        id: message.id,
        sender: message.sender_type,
        content: message.content,
        images: message.attachments ?? [],
        sources: message.sources,
        linkHosts: message.link_hosts ?? [],
        suggestions: message.suggestions ?? [],
        offersPerson: message.offer_person,
        calls: message.calls ?? [],
        feedback: message.feedback,
        agent: message.agent ?? undefined,
        state: (message.ended as EntryState | null) ?? 'sent',
        error: undefined,
        code: undefined,
      }));
      this.#set({ status: 'idle', entries, handling: history.handling ?? undefined, score: history.score ?? undefined });
      if (history.handling) this.people.listen();
      const last = history.data.filter(({ sender_type }) => sender_type === 'agent').at(-1);
      if (last && history.handling?.is_human_mode) this.people.arrived(last.id);
      if (history.running) {
        const answer = this.#add('bot', '', 'writing', history.running);
        await this.#follow(answer, undefined);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The e-mail address that was asked for. */
  async giveEmail(email: string): Promise<void> {
    this.#email = email;
    await this.start();
  }

  /** Who the visitor is, as the page says. Takes effect at once where the chat is open. */
  async identify(identity: Identity): Promise<void> {
    this.#identity = identity;
    if (this.#state.status !== 'closed') await this.start();
  }

  /** Whether there is something to send, and it may go now. */
  canSend(content: string): boolean {
    const { list, isReady } = this.images;
    const free = !this.isBusy() || this.#state.status === 'starting'; // it goes once the chat has begun
    return (content.trim() !== '' || list.length > 0) && isReady && free;
  }

  /** Asks, with the images that wait. Does nothing while an answer is being written. */
  async send(content: string): Promise<void> {
    if (!this.canSend(content)) return;
    if (this.#state.status === 'starting') await this.#starting;
    if (!this.canSend(content)) return;
    const images = this.images.take();
    const question = this.#add('user', content.trim(), 'sent', undefined, images);
    const attachments = images.map(({ id }) => id);
    this.#last = { content: question.content, attachments, request_id: this.around.uuid() };
    const { handling } = this.#state;
    // Whoever writes again has not settled it.
    if (handling?.state === 'resolved') this.#set({ handling: { ...handling, state: 'in_progress' }, score: undefined });
    await this.#ask();
  }

  /** The call that waits for the visitor: while nothing is said behind the answer that made it. */
  waiting(): Call | undefined {
    if (this.isBusy() || this.#state.handling?.is_human_mode) return undefined;
    const last = this.#state.entries.at(-1);
    return last?.id ? last.calls.find(({ state }) => state === 'awaiting_confirmation') : undefined;
  }

  /** Confirms the call that waits, in these words. */
  async confirm(words: string): Promise<void> {
    const call = this.waiting();
    const answer = this.#state.entries.at(-1);
    if (!call || !answer?.id) return;
    this.#add('user', words, 'sent');
    const confirm = { message_id: answer.id, call_id: call.id };
    this.#last = { content: words, attachments: [], request_id: this.around.uuid(), confirm };
    await this.#ask();
  }

  /** Asks the last question again, as the same request: what was answered is not asked twice. */
  async retry(): Promise<void> {
    if (!this.#last || this.isBusy()) return;
    const failed = this.#state.entries.at(-1);
    // An answer that ended in an error is stored as such: only a new request gets another.
    if (failed?.sender === 'bot' && failed.id) {
      this.#last.request_id = this.around.uuid();
      delete this.#last.confirm; // what was confirmed was carried out, or lapsed
    }
    this.#drop((entry) => entry.sender === 'bot' && entry.state === 'failed');
    await this.#ask();
  }

  canRetry(): boolean {
    return !!this.#last && !this.isBusy() && this.#state.entries.at(-1)?.state === 'failed';
  }

  isBusy(): boolean {
    return ['starting', 'answering', 'reconnecting'].includes(this.#state.status);
  }

  /** Stops the answer; what was written stays. */
  async stop(): Promise<void> {
    const answer = this.#state.entries.at(-1);
    if (answer?.state !== 'writing') return;
    if (!answer.id) {
      this.#abort?.abort();
      return;
    }
    try {
      await this.api.stop(answer.id); // the stream then ends of itself
    } catch {
      this.#abort?.abort();
      this.#change(answer, { state: 'cancelled' });
      this.#set({ status: 'idle' });
    }
  }

  /** Rates an answer; the same rating again takes it back. */
  async rate(entry: Entry, rating: 'up' | 'down'): Promise<void> {
    if (!entry.id) return;
    const before = entry.feedback;
    const next = before === rating ? null : rating;
    this.#change(entry, { feedback: next });
    try {
      await this.api.rate(entry.id, next);
    } catch (error) {
      this.#change(entry, { feedback: before });
      this.#notice(error);
    }
  }

  /** Says that the conversation is settled. */
  async end(): Promise<void> {
    try {
      this.#set({ handling: await this.api.end(), notice: '' });
    } catch (error) {
      this.#notice(error);
    }
  }

  /** Rates the settled conversation; resolves to whether that was kept. */
  async rateAll(score: number, comment: string): Promise<boolean> {
    try {
      await this.api.rateConversation(score, comment);
      this.#set({ score, notice: '' });
      return true;
    } catch (error) {
      this.#notice(error);
      return false;
    }
  }

  /** Brings the text of an answer's passages, which an answer read from the store lacks. */
  async passages(entry: Entry): Promise<void> {
    if (!entry.id || entry.sources.every(({ content }) => content !== undefined)) return;
    try {
      const found = await this.api.sources(entry.id);
      const text = ({ knowledge_id, chunk }: Source): string =>
        found.find((it) => it.knowledge_id === knowledge_id && it.chunk === chunk)?.content ?? '';
      const sources = entry.sources.map((source) => ({ ...source, content: text(source) }));
      this.#change(entry, { sources });
    } catch (error) {
      this.#notice(error);
    }
  }

  /** Forgets this conversation on this device and begins another. */
  async restart(): Promise<void> {
    this.#abort?.abort();
    this.people.stop();
    this.#last = undefined;
    this.images.clear();
    this.around.save(null);
    this.api.token = '';
    this.#set({ entries: [], notice: '', handling: undefined, score: undefined });
    await this.start();
  }

  /** The browser is online again, or the visitor asks to try once more. */
  async reconnect(): Promise<void> {
    if (this.#state.status === 'offline') await (this.canRetry() ? this.retry() : this.start());
  }

  #session(): Promise<void> {
    const begun = (this.#begun = this.#begin());
    begun.catch(() => (this.#begun = undefined)); // whoever asks next tries again
    return begun;
  }

  async #begin(): Promise<void> {
    const { id, hash, name, email } = this.#identity ?? {};
    const session = await this.api.session({
      token: this.around.load() ?? undefined,
      email: this.#email,
      identity: id && hash ? { id, hash, name, email } : undefined,
      profile: !hash && (name || email) ? { name, email } : undefined,
      page: this.around.page.slice(0, 2000),
      language: this.around.language,
    });
    this.api.token = session.token;
    this.around.save(session.token);
  }

  async #ask(): Promise<void> {
    const last = this.#last;
    if (!last) return;
    await this.#follow(this.#add('bot', '', 'writing'), last);
  }

  /** Reads an answer to its end, over as many connections as it takes. */
  async #follow(answer: Entry, asked: Question | undefined): Promise<void> {
    const { signal } = (this.#abort = new AbortController());
    let [last, attempt, renewed] = ['0', 0, false];
    const connected = (): void => this.#set({ status: 'answering' });
    this.#set({ status: 'answering', notice: '' });
    for (;;) {
      try {
        const events =
          answer.id || !asked
            ? this.api.resume(answer.id ?? '', last, signal, connected)
            : this.api.ask(asked, signal, connected);
        for await (const event of events) {
          attempt = 0;
          last = event.id || last;
          answer = this.#take(answer, event);
          if (answer.state !== 'writing') {
            this.#set({ status: 'idle' });
            return;
          }
        }
        throw new ChatError(OFFLINE, 'the stream ended early');
      } catch (error) {
        if (signal.aborted) {
          if (answer.state === 'writing') this.#change(answer, { state: 'cancelled' });
          this.#set({ status: 'idle' });
          return;
        }
        const code = error instanceof ChatError ? error.code : 'failed';
        if (code === 'visitor_token_invalid' && !renewed) {
          renewed = true;
          try {
            await this.#session();
            continue;
          } catch (again) {
            this.#giveUp(answer, again);
            return;
          }
        }
        if (code === 'not_found' && answer.id) {
          // Too late to take it up: what is stored is all there is.
          await this.start();
          return;
        }
        if (code !== OFFLINE || attempt >= MAX_ATTEMPTS) {
          this.#giveUp(answer, error);
          return;
        }
        this.#set({ status: 'reconnecting' });
        const pause = backoff(attempt++, this.around.random());
        await this.around.wait(pause, signal).catch(() => {});
      }
    }
  }

  #take(answer: Entry, event: ServerEvent): Entry {
    const data = JSON.parse(event.data);
    switch (event.name) {
      case 'session':
        this.people.listen(); // from the first message on there is a conversation to listen to
        return this.#change(answer, { id: data.message_id });
      case 'sources':
        return this.#change(answer, { sources: data.sources });
      case 'delta':
        return this.#change(answer, { content: answer.content + data.content });
      case 'tool_call':
        return this.#change(answer, { calls: [...answer.calls, data] });
      case 'tool_result': {
        const state = data.failed ? 'failed' : 'done';
        const calls = answer.calls.map((call): Call => (call.id === data.id ? { ...call, state } : call));
        return this.#change(answer, { calls });
      }
      case 'done': {
        if (data.ended === 'handed_over') {
          // A person has the conversation: there is no answer, not even the part that was read.
          this.#drop(({ key }) => key === answer.key);
          const { handling } = this.#state;
          if (!handling?.is_human_mode) this.#set({ handling: { is_human_mode: true, state: 'in_progress', agent: null } });
          return { ...answer, state: 'cancelled' };
        }
        // Of what it was given the answer rests on these. They are named without their text; ours have it.
        const given = ({ knowledge_id, chunk }: Source): Source | undefined =>
          answer.sources.find((it) => it.knowledge_id === knowledge_id && it.chunk === chunk);
        const sources = (data.sources as Source[]).map((source) => ({ ...given(source), ...source }));
        const state = (data.ended ?? 'complete') as EntryState;
        const [linkHosts, suggestions, calls] = [data.link_hosts ?? [], data.suggestions ?? [], data.calls ?? []];
        const offersPerson = data.offer_person;
        return this.#change(answer, { id: data.id, content: data.content, sources, linkHosts, suggestions, offersPerson, calls, state });
      }
      case 'error':
        return this.#change(answer, { state: 'failed', error: data.error, code: data.code });
      default:
        return answer; // events of a newer server
    }
  }

  /** Takes an agent's message, once. */
  #hear({ id, content, attachments, agent, sender_type }: StoredMessage): void {
    if (this.#state.entries.some((entry) => entry.id === id)) return;
    const entry = this.#add(sender_type, content, 'complete', id, attachments ?? []);
    this.#change(entry, { agent: agent ?? undefined });
    this.people.arrived(id);
  }

  #giveUp(answer: Entry, error: unknown): void {
    this.#change(answer, { state: 'failed', error: undefined });
    this.#fail(error);
  }

  #fail(error: unknown): void {
    const known = error instanceof ChatError ? error : new ChatError('failed', String(error));
    if (known.code === OFFLINE) return this.#set({ status: 'offline', notice: '' });
    if (known.code === 'email_needed') return this.#set({ status: 'email', notice: '' });
    if (known.code === 'rate_limited') {
      const until = this.around.now() + (known.retryAfter ?? 30) * 1000;
      return this.#set({ status: 'limited', notice: known.message, until });
    }
    const status = this.#email && known.code === 'invalid_request' ? 'email' : 'idle';
    if (status === 'email') this.#email = undefined;
    this.#set({ status, notice: known.message });
  }

  #notice(error: unknown): void {
    this.#set({ notice: error instanceof ChatError && error.code !== OFFLINE ? error.message : '' });
  }

  #add(sender: Entry['sender'], content: string, state: EntryState, id?: string, images: readonly Attachment[] = []): Entry {
    const key = this.around.uuid();
    const entry: Entry = { key, id, sender, content, images, state, sources: [], linkHosts: [], suggestions: [], offersPerson: false, calls: [], feedback: null, agent: undefined, error: undefined, code: undefined };
    this.#set({ entries: [...this.#state.entries, entry] });
    return entry;
  }

  #change(entry: Entry, change: Partial<Entry>): Entry {
    const next = { ...entry, ...change };
    const entries = this.#state.entries.map((old) => (old.key === entry.key ? { ...old, ...change } : old));
    this.#set({ entries });
    return next;
  }

  #drop(which: (entry: Entry) => boolean): void {
    this.#set({ entries: this.#state.entries.filter((entry) => !which(entry)) });
  }

  #set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener(this.#state);
  }
}
