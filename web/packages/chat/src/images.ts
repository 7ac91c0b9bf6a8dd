// The images that will go with the next message: checked, uploaded, and taken when it is sent.
// No DOM: files are Blobs, and how they are made smaller comes in from outside.

import { ChatError, OFFLINE, type Attachment, type VisitorApi } from './api';

/** Why an image is not taken; the view has the words. */
export type ImageFault = 'kind' | 'size' | 'count' | 'damaged' | 'offline' | 'limited' | 'failed';

export interface ImageLimits {
  /** Images of one message at most. */
  count: number;
  /** Bytes of one image at most. */
  bytes: number;
}

/** A file that the visitor chose. */
export type NamedFile = Blob & { readonly name?: string };

/** An image that waits for its message. */
export interface PendingImage {
  /** Stable for as long as it is shown. */
  readonly key: string;
  readonly name: string;
  readonly file: Blob;
  /** How much of it has gone, 0 to 1. */
  readonly share: number;
  readonly state: 'sending' | 'ready' | 'failed';
  /** The server's name for it, once it is ready. */
  readonly stored: (Attachment & { id: string }) | undefined;
}

export interface ImageSurroundings {
  uuid: () => string;
  /** Makes a picture that is too large smaller; rejects where it can't. */
  shrink: (file: Blob) => Promise<Blob>;
  /** Waits until there is a visitor's token; with `anew` after the old one was refused. */
  session: (anew: boolean) => Promise<void>;
}

const KINDS = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif']);

const FAULTS: Record<string, ImageFault> = {
  [OFFLINE]: 'offline',
  rate_limited: 'limited',
  too_large: 'size',
  unsupported_type: 'kind',
  unprocessable: 'damaged',
};

export class Images {
  #list: readonly PendingImage[] = [];
  #fault: ImageFault | undefined;
  #listeners = new Set<() => void>();
  #aborts = new Map<string, AbortController>();

  constructor(
    private readonly api: VisitorApi,
    private readonly around: ImageSurroundings,
    readonly limits: ImageLimits,
  ) {}

  get list(): readonly PendingImage[] {
    return this.#list;
  }

  /** What was wrong with the last image that was not taken. */
  get fault(): ImageFault | undefined {
    return this.#fault;
  }

  /** Whether a message may go now: every image that is shown goes with it. */
  get isReady(): boolean {
    return this.#list.every((image) => image.state === 'ready');
  }

  /** Calls `listener` after each change; gives the function that ends this. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes images and uploads them, all at once. */
  async add(files: Iterable<NamedFile>): Promise<void> {
    this.#fault = undefined;
    const started: Promise<void>[] = [];
    for (const file of files) {
      if (!KINDS.has(file.type)) this.#fault = 'kind';
      else if (this.#list.length >= this.limits.count) this.#fault = 'count';
      else {
        const name = file.name || 'image';
        const image: PendingImage = { key: this.around.uuid(), name, file, share: 0, state: 'sending', stored: undefined };
        this.#set([...this.#list, image]);
        started.push(this.#upload(image));
      }
    }
    this.#tell();
    await Promise.all(started);
  }

  /** Uploads an image again that did not arrive. */
  async retry(key: string): Promise<void> {
    const image = this.#list.find((image) => image.key === key);
    if (image?.state !== 'failed') return;
    this.#fault = undefined;
    this.#change(key, { state: 'sending', share: 0 });
    await this.#upload(image);
  }

  /** Takes an image back; the server forgets what no message names. */
  remove(key: string): void {
    this.#aborts.get(key)?.abort();
    this.#fault = undefined;
    this.#set(this.#list.filter((image) => image.key !== key));
  }

  /** The images that go with a message now; none of them waits any longer. */
  take(): (Attachment & { id: string })[] {
    const taken = this.#list.flatMap(({ stored }) => stored ?? []);
    this.clear();
    return taken;
  }

  /** Forgets them all. */
  clear(): void {
    for (const abort of this.#aborts.values()) abort.abort();
    this.#fault = undefined;
    this.#set([]);
  }

  async #upload({ key, name, file }: PendingImage): Promise<void> {
    const abort = new AbortController();
    this.#aborts.set(key, abort);
    try {
      const small = file.size > this.limits.bytes ? await this.#shrunk(file) : file;
      const send = (): Promise<Attachment & { id: string }> =>
        this.api.upload(small, name, (share) => this.#change(key, { share }), abort.signal);
      await this.around.session(false);
      const stored = await send().catch(async (error: unknown) => {
        if (!(error instanceof ChatError) || error.code !== 'visitor_token_invalid') throw error;
        await this.around.session(true);
        return send();
      });
      this.#change(key, { state: 'ready', share: 1, stored });
    } catch (error) {
      if (abort.signal.aborted) return; // taken back: nobody waits for it
      this.#fault = (error instanceof ChatError && FAULTS[error.code]) || 'failed';
      this.#change(key, { state: 'failed' });
    } finally {
      this.#aborts.delete(key);
    }
  }

  async #shrunk(file: Blob): Promise<Blob> {
    const small = await this.around.shrink(file).catch(() => file);
    if (small.size > this.limits.bytes) throw new ChatError('too_large', 'too many bytes');
    return small;
  }

  #change(key: string, change: Partial<PendingImage>): void {
    this.#set(this.#list.map((image) => (image.key === key ? { ...image, ...change } : image)));
  }

  #set(list: readonly PendingImage[]): void {
    this.#list = list;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
