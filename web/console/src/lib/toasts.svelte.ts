// Short notes at the page's edge: what was done, and what failed.

export interface Toast {
  id: number;
  kind: 'done' | 'failed';
  text: string;
}

/** Milliseconds that a note of success stays; one of failure stays until it is closed. */
export const STAYS = 5000;

export class Toasts {
  list = $state.raw<readonly Toast[]>([]);
  #next = 1;

  done(text: string): void {
    const id = this.#add('done', text);
    setTimeout(() => this.close(id), STAYS);
  }

  failed(text: string): void {
    this.#add('failed', text);
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  #add(kind: Toast['kind'], text: string): number {
    const id = this.#next++;
    // Said twice, it is still one note.
    const others = this.list.filter((toast) => toast.text !== text || toast.kind !== kind);
    this.list = [...others, { id, kind, text }].slice(-4);
    return id;
  }
}
