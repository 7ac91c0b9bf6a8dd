// What people do in one conversation besides reading it: taking it over, writing, and leaving notes.

import { ApiError, body, isAborted, type Client, type components } from '@okra/client';
import type { Conversation } from './conversations.svelte';
import type { Message } from './message';

export type Note = components['schemas']['NoteBody'];
export type HandlingInput = components['schemas']['HandlingInput'];
type Standing = Omit<Conversation, 'last_message'>;

/** How long the visitor is shown as writing after word of it, and how seldom we give word, in milliseconds. */
const WRITES = 6_000;
const TELLS = 3_000;

/** What changes who answers; what may be done depends on who does now. */
export type Step = 'take' | 'back' | 'resolve' | 'reopen' | 'wait';

/** The steps that are open to this person, the one most likely meant first. */
export function steps(conversation: Pick<Standing, 'is_human_mode' | 'state' | 'assignee_id'>, me: string | undefined): Step[] {
  const { is_human_mode: human, state, assignee_id: assignee } = conversation;
  if (state === 'resolved') return ['reopen', 'take'];
  if (!human) return ['take', 'resolve'];
  if (assignee && assignee === me) return ['resolve', 'back', 'wait'];
  return ['take', 'resolve', 'back'];
}

/** The change that a step asks for. Taking what another has is done by name. */
export function changeOf(step: Step, assignee: string | null | undefined, me: string): HandlingInput {
  switch (step) {
    case 'take':
      return assignee && assignee !== me ? { assignee_id: me } : { is_human_mode: true };
    case 'back':
      return { is_human_mode: false };
    case 'resolve':
      return { state: 'resolved' };
    case 'reopen':
      return { state: 'in_progress' };
    case 'wait':
      return { assignee_id: null };
  }
}

/** Whether agents have something to read: a person is meant to answer, and the visitor wrote last. */
export function unread({ is_human_mode, last_message, agents_read_at, updated_at }: Conversation): boolean {
  if (!is_human_mode || last_message?.sender_type !== 'user') return false;
  return !agents_read_at || Date.parse(agents_read_at) < Date.parse(updated_at);
}

export class Desk {
  notes = $state.raw<readonly Note[]>([]);
  /** Whether the visitor is writing just now. */
  writing = $state(false);
  error = $state.raw<ApiError>();
  readonly #path: { chatbotId: string; sessionId: string };
  readonly #stop = new AbortController();
  #told = -TELLS;
  #fades: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly api: Client,
    chatbotId: string,
    sessionId: string,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#path = { chatbotId, sessionId };
  }

  async load(): Promise<void> {
    const params = { path: this.#path };
    const { signal } = this.#stop;
    try {
      this.notes = (await body(this.api.GET('/api/external/chatbot/{chatbotId}/conversations/{sessionId}/notes', { params, signal }))).data;
      this.error = undefined;
    } catch (thrown) {
      if (!isAborted(thrown)) this.error = ApiError.from(thrown);
    }
  }

  /** Changes who answers; gives the conversation as it then is. */
  async change(change: HandlingInput): Promise<Standing> {
    const params = { path: this.#path };
    const reply = await body(this.api.PATCH('/api/external/chatbot/{chatbotId}/conversations/{sessionId}', { params, body: change }));
    return reply.session as Standing;
  }

  /** Writes to the visitor. Sent again under the same number, it is written once. */
  async write(content: string, request: string): Promise<Message> {
    const params = { path: this.#path };
    const sent = { content, request_id: request };
    const reply = await body(this.api.POST('/api/external/chatbot/{chatbotId}/conversations/{sessionId}/messages', { params, body: sent }));
    return reply.message;
  }

  /** Leaves a note that no visitor sees. */
  async note(content: string): Promise<void> {
    const params = { path: this.#path };
    const reply = await body(this.api.POST('/api/external/chatbot/{chatbotId}/conversations/{sessionId}/notes', { params, body: { content } }));
    this.takeNote(reply.note.id, reply.note);
  }

  async removeNote({ id }: Note): Promise<void> {
    const params = { path: { ...this.#path, noteId: id } };
    await this.api.DELETE('/api/external/chatbot/{chatbotId}/conversations/{sessionId}/notes/{noteId}', { params });
    this.takeNote(id, null);
  }

  /** Takes a note as it now is; null where it was deleted. */
  takeNote(id: string, note: Note | null): void {
    const others = this.notes.filter((known) => known.id !== id);
    this.notes = note ? [...others, note].sort((a, b) => Date.parse(a.created_at) - Date.parse(b.created_at)) : others;
  }

  /** Has a model say what was said, in the person's language. */
  async sumUp(language: string): Promise<string> {
    const params = { path: this.#path };
    const reply = await body(this.api.POST('/api/external/chatbot/{chatbotId}/conversations/{sessionId}/summary', { params, body: { language } }));
    return reply.summary;
  }

  /** Tells that agents have read up to this message. */
  markRead(message: string): void {
    const sent = { message_id: message };
    // The next message tells of this one too.
    this.api.PUT('/api/external/chatbot/{chatbotId}/conversations/{sessionId}/read', { params: { path: this.#path }, body: sent }).catch(() => {});
  }

  /** Tells the visitor that somebody is writing, every few seconds at most. */
  tellWriting(): void {
    const now = this.now();
    if (now - this.#told < TELLS) return;
    this.#told = now;
    // Of no use later: what fails here shows when the message is sent.
    this.api.POST('/api/external/chatbot/{chatbotId}/conversations/{sessionId}/typing', { params: { path: this.#path } }).catch(() => {});
  }

  /** The visitor is writing, or has written. */
  visitorWrites(is: boolean): void {
    clearTimeout(this.#fades);
    this.writing = is;
    if (is) this.#fades = setTimeout(() => (this.writing = false), WRITES);
  }

  stop(): void {
    this.#stop.abort();
    clearTimeout(this.#fades);
  }
}
