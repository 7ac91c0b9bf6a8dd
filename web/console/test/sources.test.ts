import { expect, test } from 'vitest';
import { isSyncing, patternsOf, progressOf, told, type Source } from '../src/pages/sources/parts/sources';

const source = (change: Partial<Source> = {}): Source => ({
  id: 'a',
  chatbot_id: 'bot',
  type: 'site',
  name: 'Shop',
  address: 'https://shop.example/',
  options: { include: [], exclude: [], max_pages: 500, max_depth: 5, documents: false, sitemap: true, render: false },
  cadence: 'daily',
  state: 'ready',
  pages: { total: 4, pending: 0, ready: 4, failed: 0 },
  run: 1,
  done: { added: 4, changed: 0, unchanged: 0, retired: 0, failed: 0 },
  limit_reached: false,
  created_at: '2025-01-22T04:30:45Z',
  updated_at: '2025-01-22T04:30:45Z',
  ...change,
});

test('a sync is as far as the pages that it has asked for', () => {
  expect(progressOf(source())).toBeUndefined();
  expect(progressOf(source({ state: 'syncing', pages: { total: 0, pending: 0, ready: 0, failed: 0 } }))).toBeUndefined();
  expect(progressOf(source({ state: 'syncing', pages: { total: 4, pending: 3, ready: 1, failed: 0 } }))).toBe(0.25);
  expect(['waiting', 'syncing', 'ready', 'failed', 'cancelled'].filter((state) => isSyncing(source({ state: state as Source['state'] })))).toEqual(['waiting', 'syncing']);
});

test('patterns are typed one a line', () => {
  expect(patternsOf(' /help \n\n/faq/*\n')).toEqual(['/help', '/faq/*']);
  expect(patternsOf(' ')).toEqual([]);
});

test('the list takes what an event tells, wherever the source stands', () => {
  const list = [source({ id: 'a' }), source({ id: 'b' })];
  const changed = source({ id: 'b', state: 'syncing' });
  expect(told(list, { source: changed, source_id: 'b' })).toEqual([list[0], changed]);
  expect(told(list, { source: null, source_id: 'a' })).toEqual([list[1]]);
  const added = source({ id: 'c' });
  expect(told(list, { source: added, source_id: 'c' })).toEqual([added, ...list]);
});
