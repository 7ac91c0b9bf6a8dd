import { ApiError, client } from '@okra/client';
import { describe, expect, test, vi } from 'vitest';
import { nameIn } from '../src/lib/download';
import { addressesOf, withLines } from '../src/pages/knowledge/parts/addresses';
import { droppedFiles } from '../src/pages/knowledge/parts/dropped';
import { filterOf, fits, Items, type Item } from '../src/pages/knowledge/parts/items.svelte';
import { toEach } from '../src/pages/knowledge/parts/many';
import { originLine } from '../src/pages/knowledge/parts/source';
import { UploadQueue } from '../src/pages/knowledge/parts/uploads.svelte';

const item = (id: string, more: Partial<Item> = {}): Item => ({
  id,
  chatbot_id: 'b',
  type: 'text',
  title: id,
  status: 'ready',
  enabled: true,
  source: { content: '' },
  size_bytes: 1,
  chunks: 1,
  characters: 1,
  created_at: '2026-11-24T10:00:00Z',
  updated_at: '2026-11-24T10:00:00Z',
  ...more,
});
const file = (name: string, size = 10): File => new File([new Uint8Array(size)], name);

describe('an upload queue', () => {
  /** A queue whose uploads end when the test says so. */
  function made() {
    const running = new Map<string, { progress: (share: number) => void; end: (item: Item) => void; fail: (why: unknown) => void; signal: AbortSignal }>();
    const queue = new UploadQueue(
      ({ name }, progress, signal) =>
        new Promise((end, fail) => {
          running.set(name, { progress, end, fail, signal });
          signal.addEventListener('abort', () => fail(new DOMException('', 'AbortError')));
        }),
    );
    const states = () => queue.list.map(({ file, state }) => `${file.name} ${state}`);
    return { queue, running, states };
  }

  test('sends a few at a time, and the next when one is through', async () => {
    const { queue, running, states } = made();
    const items: string[] = [];
    queue.onitem = ({ id }) => items.push(id);
    queue.add(['a', 'b', 'c', 'd', 'e'].map((name) => file(name)));
    expect([...running.keys()]).toEqual(['a', 'b', 'c']);
    running.get('b')?.end(item('i-b', { status: 'pending' }));
    await vi.waitFor(() => expect([...running.keys()]).toEqual(['a', 'b', 'c', 'd']));
    expect(states()).toEqual(['a sending', 'b done', 'c sending', 'd sending', 'e waiting']);
    expect(items).toEqual(['i-b']);
  });

  test('tells how much of all bytes was sent', async () => {
    const { queue, running } = made();
    queue.add([file('small', 100), file('big', 300)]);
    running.get('big')?.progress(0.5);
    expect(queue.share).toBeCloseTo(0.375);
    running.get('small')?.end(item('i', { status: 'pending' }));
    await vi.waitFor(() => expect(queue.share).toBeCloseTo(0.625));
  });

  test('keeps what failed until it is tried again, and goes on with the rest', async () => {
    const { queue, running, states } = made();
    queue.add([file('bad'), file('good')]);
    running.get('bad')?.fail(new ApiError('unsupported_type', 'Of no known format.', 415));
    await vi.waitFor(() => expect(queue.failed).toHaveLength(1));
    expect(queue.failed[0]?.error?.message).toBe('Of no known format.');
    running.get('good')?.end(item('i', { status: 'pending' }));
    await vi.waitFor(() => expect(queue.open).toHaveLength(0));
    queue.add([file('third')]);
    expect(states()).toEqual(['bad failed', 'third sending']);
    queue.retry(queue.failed[0]!);
    expect(states()).toEqual(['bad sending', 'third sending']);
  });

  test('knows a file that was there before', async () => {
    const { queue, running } = made();
    queue.add([file('again')]);
    running.get('again')?.end(item('i', { status: 'ready' }));
    await vi.waitFor(() => expect(queue.known).toHaveLength(1));
    expect(queue.done).toHaveLength(0);
  });

  test('gives up what is taken off the list, and uses the room', async () => {
    const { queue, running } = made();
    queue.add(['a', 'b', 'c', 'd'].map((name) => file(name)));
    queue.drop(queue.list[0]!);
    expect(running.get('a')?.signal.aborted).toBe(true);
    expect(running.has('d')).toBe(true);
    queue.clear();
    expect(running.get('d')?.signal.aborted).toBe(true);
    expect(queue.list).toHaveLength(0);
  });
});

describe('the list of items', () => {
  test.each([
    ['status=failed&type=url&enabled=false&search=+tea+', { status: 'failed', type: 'url', enabled: false, search: 'tea' }],
    ['status=lost&type=&enabled=maybe&search=+&other=1', {}],
  ])('an address %s is a filter', (query, expected) => {
    expect(filterOf(new URLSearchParams(query))).toEqual(expected);
  });

  test('an item passes a filter or it does not', () => {
    expect(fits(item('i'), {})).toBe(true);
    expect(fits(item('i'), { status: 'ready', type: 'text', enabled: true })).toBe(true);
    expect(fits(item('i'), { status: 'failed' })).toBe(false);
    expect(fits(item('i', { enabled: false }), { enabled: true })).toBe(false);
  });

  /** A list over a server that holds `all`. */
  function made(all: Item[]) {
    const asked: string[] = [];
    const fetch = async (request: Request): Promise<Response> => {
      const url = new URL(request.url);
      asked.push(url.pathname.split('/').at(-1) + url.search);
      const found = all.find(({ id }) => url.pathname.endsWith(`/${id}`));
      if (found) return Response.json({ data: found });
      if (!url.pathname.endsWith('/knowledge-base')) return Response.json({ error: 'Gone.', code: 'not_found' }, { status: 404 });
      return Response.json({ data: all, pagination: { total: all.length } });
    };
    const items = new Items(client({ base: 'http://okra.test', fetch: fetch as typeof globalThis.fetch }), 'b');
    return { items, asked, ids: () => items.list.known().map(({ id, status }) => `${id} ${status}`) };
  }

  test('asks for what its filter names', async () => {
    const { items, asked } = made([]);
    await items.filter({ status: 'failed', enabled: false, search: 'tea' });
    expect(asked).toEqual(['knowledge-base?page=1&limit=100&status=failed&enabled=false&search=tea']);
  });

  test('takes what happens: new, changed, passing the filter no longer, gone', async () => {
    const { items, ids } = made([item('a'), item('b', { status: 'processing' })]);
    await items.filter({});
    items.told({ item_id: 'c', item: item('c', { status: 'pending', created_at: '2026-11-24T11:00:00Z' }) });
    items.told({ item_id: 'b', item: item('b') });
    items.told({ item_id: 'old', item: item('old', { created_at: '2026-01-01T00:00:00Z' }) });
    items.told({ item_id: 'between', item: item('between', { created_at: '2026-11-24T10:30:00Z' }) });
    expect(ids()).toEqual(['c pending', 'between ready', 'a ready', 'b ready', 'old ready']);
    items.told({ item_id: 'a', item: null });
    expect(ids()).not.toContain('a ready');
    await items.filter({ status: 'ready' });
    items.told({ item_id: 'a', item: item('a', { status: 'failed' }) });
    expect(ids()).not.toContain('a failed');
  });

  test('an answer that an event has overtaken changes nothing', async () => {
    const { items, ids } = made([]);
    await items.filter({});
    items.told({ item_id: 'a', item: item('a', { updated_at: '2026-11-24T10:00:02Z' }) });
    items.take(item('a', { status: 'pending', updated_at: '2026-11-24T10:00:00Z' }));
    expect(ids()).toEqual(['a ready']);
  });

  test('an item in a part that is not loaded is left there', async () => {
    const { items } = made([item('a')]);
    await items.filter({});
    items.list.rows = [item('a'), undefined];
    items.take(item('old', { created_at: '2026-01-01T00:00:00Z' }));
    expect(items.list.rows).toHaveLength(2);
  });

  test('asks for unfinished items alone while no events come, and drops those that are gone', async () => {
    const all = [item('a'), item('b', { status: 'processing' }), item('c', { status: 'pending' })];
    const { items, asked, ids } = made(all);
    await items.filter({});
    asked.length = 0;
    all[1] = item('b');
    all.splice(2, 1);
    await items.ask();
    expect(asked).toEqual(['b', 'c']);
    expect(ids()).toEqual(['a ready', 'b ready']);
    await items.ask();
    expect(asked).toHaveLength(2);
  });
});

test('many are done a few at a time, and those that failed are told', async () => {
  let most = 0;
  let running = 0;
  const ondone = vi.fn();
  const failed = await toEach(
    [1, 2, 3, 4, 5, 6, 7],
    async (number) => {
      most = Math.max(most, (running += 1));
      await Promise.resolve();
      running -= 1;
      if (number % 3 === 0) throw new Error(`no ${number}`);
    },
    ondone,
  );
  expect(most).toBe(4);
  expect(ondone).toHaveBeenCalledTimes(7);
  expect(failed.map(({ one }) => one).sort()).toEqual([3, 6]);
});

test('addresses are typed one a line, with or without a scheme', () => {
  expect(addressesOf(' shop.example/a\nhttp://b.example\n\nshop.example/a  ftp://c.example')).toEqual(['https://shop.example/a', 'http://b.example', 'ftp://c.example']);
  expect(addressesOf(' \n ')).toEqual([]);
});

test('an address at fault is named by its line', () => {
  const error = new ApiError('invalid_request', 'Check it.', 400, [{ field: 'items[2].url', problem: 'must be http or https' }]);
  expect(withLines(error, (number) => `Line ${number}`).problem('url')).toBe('Line 3: must be http or https');
});

test('the files of dropped folders are found, but not the system’s own', async () => {
  const entry = (name: string) => ({ name, isFile: true, file: (found: (file: File) => void) => found(file(name)) });
  const folder = (name: string, parts: unknown[][]) => ({
    name,
    isFile: false,
    createReader: () => ({ readEntries: (found: (part: unknown[]) => void) => found(parts.shift() ?? []) }),
  });
  const tree = folder('docs', [[entry('a.pdf'), entry('.DS_Store')], [folder('deep', [[entry('b.md')]])]]);
  const data = { items: [{ kind: 'file', webkitGetAsEntry: () => tree }, { kind: 'string' }], files: [] };
  const files = await droppedFiles(data as unknown as DataTransfer);
  expect(files.map(({ name }) => name)).toEqual(['a.pdf', 'b.md']);
});

test.each([
  [`attachment; filename="price list.pdf"; filename*=UTF-8''%EA%B0%80%EA%B2%A9.pdf`, '가격.pdf'],
  ['attachment; filename="plain \\"name\\".txt"', 'plain "name".txt'],
  [`attachment; filename="a.txt"; filename*=UTF-8''%E0%A4%A`, 'a.txt'],
  [null, undefined],
])('the name in %s is %s', (header, expected) => {
  expect(nameIn(header)).toBe(expected);
});

test('what an item comes from is told in one line, unless its title says it', () => {
  expect(originLine(item('t', { source: { content: '# Hours\n\nNine  to five' } }))).toBe('# Hours Nine to five');
  expect(originLine(item('hours.pdf', { type: 'file', source: { file_name: 'hours.pdf', media_type: 'application/pdf', sha256: '' } }))).toBe('');
  expect(originLine(item('Open?', { type: 'qna', source: { question: 'Open?', answer: 'Yes' } }))).toBe('Yes');
});
