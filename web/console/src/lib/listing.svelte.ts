// A list on the server, of any length: the pages in sight are loaded, the rest are gaps of the right number.

import { ApiError, isAborted } from '@okra/client';

/** One page of the list, as the server answers. */
export interface ListPage<Row> {
  data: readonly Row[];
  pagination: { total: number };
}

/** Loads page `page`, counted from 1, of `limit` rows. */
export type LoadPage<Row> = (page: number, limit: number, signal: AbortSignal) => Promise<ListPage<Row>>;

/** Milliseconds that a list waits for further changes before it is loaded anew. */
const SETTLES = 400;

export class Listing<Row extends { id: string }> {
  /** The rows that are known and gaps for the others; undefined until the first page is there. */
  rows = $state.raw<readonly (Row | undefined)[]>();
  error = $state.raw<ApiError>();
  loading = $state(false);

  #running = new AbortController();
  readonly #pages = new Set<number>();
  #shown = { from: 0, to: 0 };
  #settling: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly load: LoadPage<Row>,
    readonly limit = 100,
  ) {}

  /** Loads anew what is in sight. What is there stays until the new is; the rest becomes gaps again. */
  async reload(): Promise<void> {
    this.stop();
    const running = (this.#running = new AbortController());
    const first = Math.floor(this.#shown.from / this.limit) + 1;
    this.loading = true;
    try {
      let page = await this.load(first, this.limit, running.signal);
      let at = first;
      // The list has become so short that nothing of it is in sight.
      if (first > 1 && page.data.length === 0) page = await this.load((at = 1), this.limit, running.signal);
      if (running.signal.aborted) return;
      this.rows = placed([], page, (at - 1) * this.limit);
      this.error = undefined;
    } catch (thrown) {
      if (!isAborted(thrown) && !running.signal.aborted) this.error = ApiError.from(thrown);
    } finally {
      if (this.#running === running) this.loading = false;
    }
  }

  /** Loads anew soon, once for many changes that follow each other. */
  reloadSoon(): void {
    this.#settling ??= setTimeout(() => void this.reload(), SETTLES);
  }

  /** Tells which rows are in sight; those that are gaps are loaded. */
  show(from: number, to: number): void {
    this.#shown = { from, to };
    const { rows } = this;
    if (!rows || this.loading) return;
    const wanted = new Set<number>();
    for (let at = from; at < Math.min(to, rows.length); at += 1) {
      if (!rows[at]) wanted.add(Math.floor(at / this.limit) + 1);
    }
    for (const page of wanted) if (!this.#pages.has(page)) void this.#fill(page);
  }

  async #fill(page: number): Promise<void> {
    const { signal } = this.#running;
    this.#pages.add(page);
    try {
      const loaded = await this.load(page, this.limit, signal);
      if (!signal.aborted) this.rows = placed(this.rows ?? [], loaded, (page - 1) * this.limit);
    } catch (thrown) {
      if (!isAborted(thrown) && !signal.aborted) this.error = ApiError.from(thrown);
    } finally {
      this.#pages.delete(page);
    }
  }

  /** The row of this id, where it is known. */
  find(id: string): Row | undefined {
    return this.rows?.find((row) => row?.id === id);
  }

  /** Every row that is known. */
  known(): Row[] {
    return (this.rows ?? []).filter((row) => row !== undefined);
  }

  /** Takes a row as it now is, where it stands. Gives whether it is known. */
  update(row: Row): boolean {
    if (!this.find(row.id)) return false;
    this.rows = this.rows?.map((old) => (old?.id === row.id ? row : old));
    return true;
  }

  /** Puts a new row at a place, counted from 0. */
  insert(row: Row, at: number): void {
    const rows = this.rows ?? [];
    this.rows = [...rows.slice(0, at), row, ...rows.slice(at)];
  }

  /** Puts a row first, wherever it stood before. */
  lead(row: Row): void {
    this.rows = [row, ...(this.rows ?? []).filter((old) => old?.id !== row.id)];
  }

  remove(id: string): void {
    this.rows = this.rows?.filter((row) => row?.id !== id);
  }

  /** Gives up what is being loaded. */
  stop(): void {
    clearTimeout(this.#settling);
    this.#settling = undefined;
    this.#running.abort();
    this.#running = new AbortController();
    this.#pages.clear();
    this.loading = false;
  }
}

/** The rows with a page put in at `start`. A row that has moved since stands only where it stands now. */
function placed<Row extends { id: string }>(rows: readonly (Row | undefined)[], page: ListPage<Row>, start: number): (Row | undefined)[] {
  const moved = new Set(page.data.map(({ id }) => id));
  const length = Math.max(page.pagination.total, start + page.data.length);
  const next = Array.from({ length }, (_, at) => {
    const row = rows[at];
    return row && moved.has(row.id) ? undefined : row;
  });
  page.data.forEach((row, at) => (next[start + at] = row));
  return next;
}
