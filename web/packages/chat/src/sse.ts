// Server-sent events out of a byte stream, however it is cut (WHATWG HTML, "Server-sent events").

/** One event: its name, its data and its number in the stream. */
export interface ServerEvent {
  name: string;
  data: string;
  id: string;
}

/** Collects the stream's text and gives each event as soon as it is whole. */
export class SseParser {
  #decoder = new TextDecoder();
  #rest = '';
  #name = '';
  #data: string[] = [];
  #id = '';

  /** Takes more bytes; gives the events that they complete. */
  push(bytes: Uint8Array): ServerEvent[] {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const events: ServerEvent[] = [];
    for (;;) {
      // A line ends in CR, LF or both; a CR at the end may still be followed by its LF.
      const end = this.#rest.search(/\r\n|\n|\r(?!$)/);
      if (end < 0) return events;
      const line = this.#rest.slice(0, end);
      const width = this.#rest.startsWith('\r\n', end) ? 2 : 1;
      this.#rest = this.#rest.slice(end + width);
      const event = this.#line(line);
      if (event) events.push(event);
    }
  }

  #line(line: string): ServerEvent | undefined {
    if (line === '') {
      const event = { name: this.#name || 'message', data: this.#data.join('\n'), id: this.#id };
      const whole = this.#data.length > 0;
      this.#name = '';
      this.#data = [];
      return whole ? event : undefined;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return undefined; // a comment that keeps proxies awake
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#name = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id') this.#id = value;
    return undefined;
  }
}

/** The events of an answer, until it ends; rejects where the connection is lost. */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  const reader = response.body?.getReader();
  if (!reader) throw new Error('no body');
  const parser = new SseParser();
  try {
    for (;;) {
      const part = await reader.read();
      if (part.done) return;
      yield* parser.push(part.value);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
