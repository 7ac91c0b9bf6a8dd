// Files on their way into a chatbot's knowledge: a few at a time, each with its own progress.

import { ApiError, isAborted } from '@okra/client';
import { sendFile } from '../../../app';
import type { Item } from './items.svelte';

export type UploadState = 'waiting' | 'sending' | 'done' | 'known' | 'failed';

/** Files sent at the same time. */
const AT_ONCE = 3;

export class FileUpload {
  state = $state<UploadState>('waiting');
  /** How much was sent, from 0 to 1. */
  share = $state(0);
  error = $state.raw<ApiError>();
  readonly stop = new AbortController();

  constructor(
    readonly id: number,
    readonly file: File,
  ) {}
}

/** Sends one file; gives the item that it became. */
export type SendFile = (file: File, onprogress: (share: number) => void, signal: AbortSignal) => Promise<Item>;

export class UploadQueue {
  /** In the order in which they were added. */
  list = $state.raw<readonly FileUpload[]>([]);
  readonly open = $derived(this.list.filter(({ state }) => state === 'waiting' || state === 'sending'));
  readonly failed = $derived(this.list.filter(({ state }) => state === 'failed'));
  readonly known = $derived(this.list.filter(({ state }) => state === 'known'));
  readonly done = $derived(this.list.filter(({ state }) => state === 'done'));
  /** Told of each item that a file became. */
  onitem: ((item: Item) => void) | undefined;
  #next = 1;

  constructor(private readonly send: SendFile) {}

  /** How much of all bytes was sent, from 0 to 1. */
  readonly share = $derived.by(() => {
    const total = this.list.reduce((sum, { file }) => sum + file.size, 0);
    const sent = this.list.reduce((sum, { file, share, state }) => sum + file.size * (state === 'sending' || state === 'waiting' ? share : 1), 0);
    return total > 0 ? sent / total : 0;
  });

  add(files: readonly File[]): void {
    // What is over and done with makes room for the new.
    const kept = this.open.length > 0 ? this.list : this.failed;
    this.list = [...kept, ...files.map((file) => new FileUpload(this.#next++, file))];
    this.#work();
  }

  retry(upload: FileUpload): void {
    this.list = this.list.map((other) => (other === upload ? new FileUpload(this.#next++, upload.file) : other));
    this.#work();
  }

  /** Takes a file off the list, giving up what is being sent of it. */
  drop(upload: FileUpload): void {
    upload.stop.abort();
    this.list = this.list.filter((other) => other !== upload);
    this.#work();
  }

  /** Takes everything off the list. */
  clear(): void {
    for (const upload of this.list) upload.stop.abort();
    this.list = [];
  }

  #work(): void {
    const sending = this.list.filter(({ state }) => state === 'sending').length;
    const next = this.list.filter(({ state }) => state === 'waiting').slice(0, Math.max(0, AT_ONCE - sending));
    for (const upload of next) void this.#run(upload);
  }

  async #run(upload: FileUpload): Promise<void> {
    upload.state = 'sending';
    try {
      const item = await this.send(upload.file, (share) => (upload.share = share), upload.stop.signal);
      // A new item waits to be read; one that is further was there before.
      upload.state = item.status === 'pending' ? 'done' : 'known';
      this.onitem?.(item);
    } catch (thrown) {
      if (isAborted(thrown)) return;
      upload.error = ApiError.from(thrown);
      upload.state = 'failed';
    }
    this.#work();
  }
}

const queues = new Map<string, UploadQueue>();

/** A chatbot's queue, which goes on while other pages are looked at. */
export function uploadsOf(chatbotId: string): UploadQueue {
  let queue = queues.get(chatbotId);
  if (!queue) {
    const url = `/api/external/chatbot/${chatbotId}/knowledge-base/files`;
    queue = new UploadQueue(async (file, onprogress, signal) => {
      const form = new FormData();
      form.append('files', file);
      const reply = await sendFile<{ data: [Item] }>({ url, form, onprogress, signal });
      return reply.data[0];
    });
    queues.set(chatbotId, queue);
  }
  return queue;
}
