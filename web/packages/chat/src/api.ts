// The visitor API (`/api/public/chatbot/{slug}`), with every failure as a `ChatError`.

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
  asks_email: boolean;
  accepts_images: boolean;
  widget: WidgetLook;
}

export interface Source {
  knowledge_id: string;
  title: string;
  url: string | null;
  chunk: number;
  page: number | null;
  content?: string;
  similarity: number;
}

/** A passage as it stands in its document: without the lines on where that is. */
export const passageText = (block: string): string => block.replace(/^Title: .*\nChunk: .*\n\n(Content:\n)?/, '');

export type Rating = 'up' | 'down' | null;

/** A message as the server keeps it. */
export interface StoredMessage {
  id: string;
  sender_type: 'user' | 'bot' | 'agent';
  content: string;
  created_at: string;
  sources: Source[];
  feedback: Rating;
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
  has_more: boolean;
}

/** Who the site says the visitor is; with `hash` the site vouches for it. */
export interface Identity {
  id?: string;
  name?: string;
  email?: string;
  hash?: string;
}

export class VisitorApi {
  token = '';
  readonly #base: string;
  readonly #fetch: typeof fetch;

  constructor(host: string, slug: string, fetcher: typeof fetch = fetch.bind(globalThis)) {
    this.#base = `${host}/api/public/chatbot/${encodeURIComponent(slug)}`;
    this.#fetch = fetcher;
  }

  async config(): Promise<{ chatbot: WidgetChatbot; limits: { message_chars: number } }> {
    return (await this.#call('GET', '')).json();
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

  async stop(answer: string): Promise<void> {
    await this.#call('DELETE', `/chat/${answer}`);
  }

  /** Asks; `onopen` is called once the server answers, which may be long before the first event. */
  ask(content: string, request: string, signal: AbortSignal, onopen: () => void): AsyncGenerator<ServerEvent> {
    return this.#stream(this.#call('POST', '/chat', { content, request_id: request }, { signal }), onopen);
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
      response = await this.#fetch(this.#base + path, init);
    } catch (cause) {
      throw new ChatError(OFFLINE, String(cause));
    }
    if (response.ok) return response;
    const seconds = Number(response.headers.get('retry-after')) || undefined;
    let told: { code?: string; error?: string } = {};
    try {
      told = await response.json();
    } catch {
      // A proxy's own page: the status has to do.
    }
    // What stands between us and the server says 502 to 504 while the server is being restarted.
    const code = told.code ?? (response.status >= 502 && response.status <= 504 ? OFFLINE : 'failed');
    throw new ChatError(code, told.error ?? `HTTP ${response.status}`, seconds);
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
