// The visitor API (`/api/public/chatbot/{slug}`), with every failure as a `ChatError`.

import type { Handling } from './people';
import { readEvents, type ServerEvent } from './sse';

/** Why a call failed: the server's word for it, and its sentence. */
export class ChatError extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** Seconds to wait before trying again, where the server says so. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** The code of a `ChatError` for a connection that failed, which no server sends. */
export const OFFLINE = 'offline';

export interface WidgetLook {
  header: string;
  language: string;
  logo: string;
  name: string;
  primaryColor: string;
  secondaryColor: string;
  slogan: string;
}

export interface WidgetChatbot {
  slug: string;
  name: string;
  description: string | null;
  avatar: string | null;
  greeting: string;
  suggestions: string[];
  /** Hosts that answers may link to; `*.` before one means all below it. */
  link_hosts: string[];
  asks_email: boolean;
  accepts_images: boolean;
  /** Whether visitors may ask for a person. */
  offers_person: boolean;
  /** Whether visitors may end a conversation, and rate it then. */
  asks_rating: boolean;
  widget: WidgetLook;
}

export interface Source {
  knowledge_id: string;
  title: string;
  url: string | null;
  chunk: number;
  page: number | null;
  content?: string;
  /** The sentences of the passage that the answer rests on; known when it has ended. */
  excerpt?: string | null;
  similarity: number;
}

/** A passage as it stands in its document: without the lines on where that is. */
export const passageText = (block: string): string => block.replace(/^Title: .*\nChunk: .*\n\n(Content:\n)?/, '');

/** A passage before, within and after the excerpt; whole where it is not in it. */
export function aroundExcerpt(text: string, excerpt: string | null | undefined): string[] {
  const at = excerpt ? text.indexOf(excerpt) : -1;
  if (!excerpt || at < 0) return [text];
  return [text.slice(0, at), excerpt, text.slice(at + excerpt.length)];
}

/** A file of a message. */
export interface Attachment {
  name: string;
  url: string;
}

export type Rating = 'up' | 'down' | null;

/** A call of one of the organization's tools. */
export interface Call {
  id: string;
  /** What it is, in the organization's words. */
  title: string;
  /** One that awaits confirmation is carried out where the visitor confirms it, while no other message follows. */
  state: 'called' | 'done' | 'failed' | 'awaiting_confirmation';
  /** What would be sent, of a call that awaits confirmation. */
  details: { name: string; value: string }[];
}

/** A message as the server keeps it. */
export interface StoredMessage {
  id: string;
  sender_type: 'user' | 'bot' | 'agent';
  content: string;
  created_at: string;
  attachments: Attachment[] | null;
  sources: Source[];
  /** Hosts that this answer may link to beside the chatbot's and its sources'. */
  link_hosts: string[];
  /** What the visitor may ask next. */
  suggestions: string[];
  /** Whether the answer is that there is none, or says that a person may be asked for. */
  offer_person: boolean;
  calls: Call[];
  feedback: Rating;
  /** What the agent is called who wrote it. */
  agent: string | null;
  ended: string | null;
}

export interface Session {
  token: string;
  visitor: { email: string | null; name: string | null; verified: boolean };
  session_id: string | null;
}

export interface History {
  data: StoredMessage[];
  running: string | null;
  /** Who answers; null before the first message. */
  handling: Handling | null;
  /** How the visitor rated the settled conversation, from 1 to 5. */
  score?: number | null;
  has_more: boolean;
}

/** Who the site says the visitor is; with `hash` the site vouches for it. */
export interface Identity {
  id?: string;
  name?: string;
  email?: string;
  hash?: string;
}

/** What a visitor asks. */
export interface Question {
  content: string;
  /** The same each time the question is sent. */
  request_id: string;
  /** Ids of uploaded images. */
  attachments: readonly string[];
  /** The call that it confirms. */
  confirm?: { message_id: string; call_id: string };
}

/** What a visitor may send. */
export interface WidgetLimits {
  message_chars: number;
  images: number;
  image_bytes: number;
}

/** An answer to a form, read whole. */
export interface Reply {
  status: number;
  retryAfter: string | null;
  body: string;
}

/** Posts a form and tells how much of it has gone, which `fetch` cannot; rejects without a connection. */
export type FormPost = (
  url: string,
  token: string,
  form: FormData,
  progress: (share: number) => void,
  signal: AbortSignal,
) => Promise<Reply>;

export class VisitorApi {
  token = '';
  readonly #base: string;

  constructor(
    host: string,
    slug: string,
    private readonly post: FormPost,
    private readonly fetcher: typeof fetch = fetch.bind(globalThis),
  ) {
    this.#base = `${host}/api/public/chatbot/${encodeURIComponent(slug)}`;
  }

  async session(body: object): Promise<Session> {
    return (await this.#call('POST', '/session', body)).json();
  }

  async messages(): Promise<History> {
    return (await this.#call('GET', '/messages')).json();
  }

  async rate(message: string, rating: Rating): Promise<void> {
    await this.#call('PUT', `/messages/${message}/feedback`, { rating });
  }

  /** The passages of an answer, as far as they are still there, with their text. */
  async sources(message: string): Promise<Source[]> {
    return (await (await this.#call('GET', `/messages/${message}/sources`)).json()).data;
  }

  /** Uploads an image for a message that follows. */
  async upload(
    file: Blob,
    name: string,
    progress: (share: number) => void,
    signal: AbortSignal,
  ): Promise<Attachment & { id: string }> {
    const form = new FormData();
    form.set('file', file, name);
    let reply: Reply;
    try {
      reply = await this.post(`${this.#base}/attachments`, this.token, form, progress, signal);
    } catch (cause) {
      throw new ChatError(OFFLINE, String(cause));
    }
    if (reply.status === 201) return JSON.parse(reply.body);
    throw refusal(reply);
  }

  /** Asks for a person, or stops waiting for one. */
  async person(wanted: boolean): Promise<Handling> {
    return (await this.#call(wanted ? 'POST' : 'DELETE', '/person')).json();
  }

  /** Says that the conversation is settled. */
  async end(): Promise<Handling> {
    return (await this.#call('POST', '/end')).json();
  }

  /** Rates the settled conversation, from 1 to 5. */
  async rateConversation(score: number, comment: string): Promise<void> {
    await this.#call('PUT', '/rating', { score, comment });
  }

  /** Tells agents that the visitor is writing. */
  async typing(): Promise<void> {
    await this.#call('POST', '/typing');
  }

  /** Tells agents up to where the visitor has read. */
  async read(message: string): Promise<void> {
    await this.#call('PUT', '/read', { message_id: message });
  }

  /** What people do in the conversation, as it happens. */
  events(signal: AbortSignal): AsyncGenerator<ServerEvent> {
    return this.#stream(this.#call('GET', '/events', undefined, { signal }), () => {});
  }

  async stop(answer: string): Promise<void> {
    await this.#call('DELETE', `/chat/${answer}`);
  }

  /** Asks; `onopen` is called once the server answers, which may be long before the first event. */
  ask(question: Question, signal: AbortSignal, onopen: () => void): AsyncGenerator<ServerEvent> {
    return this.#stream(this.#call('POST', '/chat', question, { signal }), onopen);
  }

  /** Takes an answer up after the event of this number. */
  resume(answer: string, after: string, signal: AbortSignal, onopen: () => void): AsyncGenerator<ServerEvent> {
    const headers = { 'last-event-id': after };
    return this.#stream(this.#call('GET', `/chat/${answer}`, undefined, { signal, headers }), onopen);
  }

  async #call(
    method: string,
    path: string,
    body?: object,
    more: { signal?: AbortSignal; headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const headers: Record<string, string> = { ...more.headers };
    if (this.token) headers['authorization'] = `Bearer ${this.token}`;
    if (body) headers['content-type'] = 'application/json';
    const init: RequestInit = { method, headers, credentials: 'omit', cache: 'no-store' };
    if (body) init.body = JSON.stringify(body);
    if (more.signal) init.signal = more.signal;
    let response: Response;
    try {
      response = await this.fetcher(this.#base + path, init);
    } catch (cause) {
      throw new ChatError(OFFLINE, String(cause));
    }
    if (response.ok) return response;
    const said = await response.text().catch(() => '');
    throw refusal({ status: response.status, retryAfter: response.headers.get('retry-after'), body: said });
  }

  async *#stream(call: Promise<Response>, onopen: () => void): AsyncGenerator<ServerEvent> {
    const response = await call;
    onopen();
    try {
      yield* readEvents(response);
    } catch (cause) {
      throw new ChatError(OFFLINE, String(cause));
    }
  }
}

/** What an answer that is no success says. */
function refusal({ status, retryAfter, body }: Reply): ChatError {
  let told: { code?: string; error?: string } = {};
  try {
    told = JSON.parse(body);
  } catch {
    // A proxy's own page: the status has to do.
  }
  // What stands between us and the server says 502 to 504 while the server is being restarted.
  const code = told.code ?? (status >= 502 && status <= 504 ? OFFLINE : 'failed');
  return new ChatError(code, told.error ?? `HTTP ${status}`, Number(retryAfter) || undefined);
}
