// What happens in the organization, as it happens: server-sent events over fetch, so that the header
// which names the organization can be sent. A lost connection is taken up again.

import { readEvents, type ServerEvent } from '@okra/chat';

/** Opens the stream; throws where the server cannot be reached or refuses. */
export type Open = (signal: AbortSignal) => Promise<Response>;
/** Told of each event, and after a gap: what happened in between has to be loaded. */
export interface Listener {
  event(name: string, data: unknown): void;
  gap(): void;
}

/** Milliseconds until the first and the slowest further try. */
const WAITS = { first: 500, most: 30_000 };

export class Events {
  readonly #listeners = new Set<Listener>();
  #running: AbortController | undefined;
  #connected = false;

  constructor(
    private readonly open: Open,
    private readonly wait: (ms: number, signal: AbortSignal) => Promise<void> = pause,
  ) {}

  /** Whether what happens is told at present. Who must know it all the same has to ask meanwhile. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Listens until the returned function is called. The stream is open while anyone listens. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (!this.#running) void this.#run();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.stop();
    };
  }

  /** Closes the stream and opens it anew for those who listen, such as for another organization. */
  restart(): void {
    this.stop();
    if (this.#listeners.size > 0) void this.#run();
  }

  stop(): void {
    this.#running?.abort();
    this.#running = undefined;
    this.#connected = false;
  }

  async #run(): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    let failures = 0;
    for (let first = true; !running.signal.aborted; first = false) {
      try {
        const response = await this.open(running.signal);
        if (!first) this.#tell((listener) => listener.gap());
        failures = 0;
        this.#connected = true;
        for await (const event of readEvents(response)) this.#deliver(event);
      } catch {
        // Lost, refused or closed: the way on is the same, and pages show their own failures.
      }
      if (running.signal.aborted) return;
      this.#connected = false;
      // Spread, so that not every console comes back at once when a server has restarted.
      const delay = Math.min(WAITS.most, WAITS.first * 2 ** failures) * (0.5 + Math.random() / 2);
      failures += 1;
      await this.wait(delay, running.signal).catch(() => {});
    }
  }

  #deliver(event: ServerEvent): void {
    // The server lost count of what it had to tell.
    if (event.name === 'resync') return this.#tell((listener) => listener.gap());
    const data: unknown = JSON.parse(event.data);
    this.#tell((listener) => listener.event(event.name, data));
  }

  #tell(what: (listener: Listener) => void): void {
    for (const listener of [...this.#listeners]) {
      try {
        what(listener);
      } catch (fault) {
        reportError(fault); // A page's mistake is no lost connection.
      }
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
