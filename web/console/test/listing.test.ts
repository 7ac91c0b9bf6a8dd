import { expect, test, vi } from 'vitest';
import { Listing, type ListPage } from '../src/lib/listing.svelte';

interface Row {
  id: string;
  word?: string;
}
const numbered = (count: number): Row[] => Array.from({ length: count }, (_, at) => ({ id: `r${at}` }));

/** A list on a server that holds `all`, which a test may change. */
function served(all: Row[], limit = 10) {
  const server = { all };
  const asked: number[] = [];
  const load = vi.fn(async (page: number, size: number): Promise<ListPage<Row>> => {
    asked.push(page);
    return { data: server.all.slice((page - 1) * size, page * size), pagination: { total: server.all.length } };
  });
  const list = new Listing<Row>(load, limit);
  const ids = () => (list.rows ?? []).map((row) => row?.id ?? '-');
  return { server, list, load, asked, ids };
}

test('only the pages in sight are loaded, wherever that is', async () => {
  const { list, asked, ids } = served(numbered(10_000), 100);
  await list.reload();
  expect(ids()).toHaveLength(10_000);
  list.show(0, 20);
  list.show(9_850, 9_950);
  await vi.waitFor(() => expect(ids()[9_900]).toBe('r9900'));
  list.show(9_850, 9_950);
  expect(asked).toEqual([1, 99, 100]);
  expect(ids()[5_000]).toBe('-');
  expect(list.known()).toHaveLength(300);
});

test('a page that is on its way is not asked for again', async () => {
  const { list, asked } = served(numbered(40));
  await list.reload();
  list.show(8, 14);
  list.show(9, 15);
  await vi.waitFor(() => expect(list.known()).toHaveLength(20));
  expect(asked).toEqual([1, 2]);
});

test('a row that has moved between two loads stands once', async () => {
  const { server, list, ids } = served(numbered(20));
  await list.reload();
  server.all = [{ id: 'new' }, ...server.all];
  list.show(10, 20);
  await vi.waitFor(() => expect(list.known()).toHaveLength(19));
  const known = ids().filter((id) => id !== '-');
  expect(new Set(known).size).toBe(known.length);
  expect(ids()[10]).toBe('r9');
  expect(ids()[9]).toBe('-');
  expect(ids()).toHaveLength(21);
});

test('rows change, lead and go', async () => {
  const { list, ids } = served(numbered(3));
  await list.reload();
  expect(list.update({ id: 'r1', word: 'new' })).toBe(true);
  expect(list.update({ id: 'other' })).toBe(false);
  expect(list.find('r1')?.word).toBe('new');
  list.lead({ id: 'r2' });
  expect(ids()).toEqual(['r2', 'r0', 'r1']);
  list.lead({ id: 'r9' });
  list.remove('r0');
  expect(ids()).toEqual(['r9', 'r2', 'r1']);
});

test('a list that has become short shows its beginning again', async () => {
  const { server, list, ids } = served(numbered(40));
  await list.reload();
  list.show(30, 40);
  await vi.waitFor(() => expect(list.known()).toHaveLength(20));
  server.all = numbered(5);
  await list.reload();
  expect(ids()).toEqual(['r0', 'r1', 'r2', 'r3', 'r4']);
});

test('a load that failed says why and keeps what is there; the next one heals it', async () => {
  const { list, load, ids } = served(numbered(3));
  await list.reload();
  load.mockRejectedValueOnce(new TypeError('refused'));
  await list.reload();
  expect(list.error?.code).toBe('offline');
  expect(list.loading).toBe(false);
  expect(ids()).toEqual(['r0', 'r1', 'r2']);
  await list.reload();
  expect(list.error).toBeUndefined();
});

test('many changes in a row are one load', async () => {
  vi.useFakeTimers();
  const { list, load } = served(numbered(3));
  for (let change = 0; change < 5; change += 1) list.reloadSoon();
  await vi.runAllTimersAsync();
  expect(load).toHaveBeenCalledOnce();
  list.reloadSoon();
  list.stop();
  await vi.runAllTimersAsync();
  expect(load).toHaveBeenCalledOnce();
  vi.useRealTimers();
});
