// Something that is loaded: what is there, whether it is being loaded, and why it could not be.

import { ApiError, isAborted } from '@okra/client';

export class Resource<T> {
  data = $state.raw<T>();
  error = $state.raw<ApiError>();
  loading = $state(false);
  #running: AbortController | undefined;

  constructor(private readonly load: (signal: AbortSignal) => Promise<T>) {}

  /** Loads, giving up a load that still runs. What is there stays until the new is. */
  async reload(): Promise<void> {
    this.#running?.abort();
    const running = new AbortController();
    this.#running = running;
    this.loading = true;
    try {
      const data = await this.load(running.signal);
      if (this.#running !== running) return;
      this.data = data;
      this.error = undefined;
    } catch (thrown) {
      if (this.#running !== running || isAborted(thrown)) return;
      this.error = ApiError.from(thrown);
    } finally {
      if (this.#running === running) {
        this.loading = false;
        this.#running = undefined;
      }
    }
  }

  /** Takes `data` as if it had been loaded, such as the answer to a change. */
  set(data: T): void {
    this.stop();
    this.data = data;
    this.error = undefined;
  }

  /** Forgets what is there. */
  clear(): void {
    this.stop();
    this.data = undefined;
    this.error = undefined;
  }

  /** Gives up a load that still runs. */
  stop(): void {
    this.#running?.abort();
    this.#running = undefined;
    this.loading = false;
  }
}
