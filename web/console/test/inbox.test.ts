import { client } from '@okra/client';
import { describe, expect, test, vi } from 'vitest';
import type { Conversation } from '../src/pages/conversations/parts/conversations.svelte';
import { changeOf, Desk, steps, type Note } from '../src/pages/conversations/parts/desk.svelte';
import { belongs, Inbox, queueOf, QUEUES } from '../src/pages/inbox/parts/inbox.svelte';

const conversation = (id: string, more: Partial<Conversation> = {}): Conversation => ({
  id,
  active: true,
  chatbot_id: 'b',
  created_at: '2026-11-24T10:00:00Z',
  updated_at: '2026-11-24T10:00:00Z',
  is_human_mode: false,
  metadata: {},
  migrated_data: false,
  platform: 'web',
  state: 'in_progress',
  ...more,
});
const waits = { is_human_mode: true, state: 'waiting' } as const;
const mine = { is_human_mode: true, assignee_id: 'me' } as const;
const theirs = { is_human_mode: true, assignee_id: 'other' } as const;

describe('a queue', () => {
  test.each([
    [{}, 'bot all'],
    [waits, 'waiting all'],
    [{ ...waits, assignee_id: 'me' }, 'waiting mine all'],
    [mine, 'mine all'],
    [theirs, 'all'],
    [{ state: 'resolved' as const }, 'resolved'],
    [{ ...waits, platform: 'playground' }, ''],
  ])('has what belongs to it: %o', (more, expected) => {
    const queues = QUEUES.filter((queue) => belongs(conversation('c', more), queue, 'me'));
    expect(queues.join(' ')).toBe(expected);
  });

  test('is named by the address', () => {
    expect(queueOf(new URLSearchParams('queue=mine'))).toBe('mine');
    expect(queueOf(new URLSearchParams('queue=elsewhere'))).toBe('waiting');
  });
});

test('the inbox follows who has a conversation', async () => {
  vi.useFakeTimers();
  const asked: string[] = [];
  const all = [conversation('a', waits)];
  const fetch = async (request: Request) => {
    asked.push(new URL(request.url).search);
    return Response.json({ data: all, pagination: { total: all.length }, counts: { waiting: all.length, mine: 0 } });
  };
  const inbox = new Inbox(client({ base: 'http://okra.test', fetch: fetch as typeof globalThis.fetch }), () => 'me');
  const ids = () => inbox.list.known().map(({ id }) => id);
  await inbox.show('waiting');
  expect(asked).toEqual(['?queue=waiting&page=1&limit=100']);
  expect(inbox.counts).toEqual({ waiting: 1, mine: 0 });
  inbox.take(conversation('b', { ...waits, updated_at: '2026-11-24T11:00:00Z' }));
  expect(ids()).toEqual(['b', 'a']);
  // Somebody took it over.
  inbox.take(conversation('a', theirs));
  expect(ids()).toEqual(['b']);
  await vi.runAllTimersAsync();
  expect(ids(), 'the server has the last word').toEqual(['a']);
  await inbox.show('mine');
  expect(asked.at(-1)).toBe('?queue=mine&page=1&limit=100');
  vi.useRealTimers();
});

describe('a step', () => {
  test.each([
    [{}, 'take resolve'],
    [waits, 'take resolve back'],
    [mine, 'resolve back wait'],
    [theirs, 'take resolve back'],
    [{ state: 'resolved' as const }, 'reopen take'],
  ])('is open where it makes sense: %o', (more, expected) => {
    expect(steps(conversation('c', more), 'me').join(' ')).toBe(expected);
  });

  test('takes what another has by name', () => {
    expect(changeOf('take', null, 'me')).toEqual({ is_human_mode: true });
    expect(changeOf('take', 'other', 'me')).toEqual({ assignee_id: 'me' });
    expect(changeOf('wait', 'me', 'me')).toEqual({ assignee_id: null });
  });
});

describe('a desk', () => {
  const note = (id: string, minute: number): Note => ({ id, content: id, created_at: new Date(Date.UTC(2026, 10, 24, 10, minute)).toISOString() });
  function made() {
    const sent: { method: string; path: string; body: unknown }[] = [];
    let now = 0;
    const fetch = async (request: Request) => {
      const text = await request.text();
      sent.push({ method: request.method, path: new URL(request.url).pathname.split('/s/')[1] ?? '', body: text && JSON.parse(text) });
      if (request.method === 'DELETE' || request.url.endsWith('/typing')) return new Response(null, { status: 204 });
      if (request.method === 'GET') return Response.json({ data: [note('first', 1)] });
      return Response.json({ message: { id: 'm' }, note: note('second', 2), session: conversation('s') }, { status: 201 });
    };
    const api = client({ base: 'http://okra.test', fetch: fetch as typeof globalThis.fetch });
    return { desk: new Desk(api, 'b', 's', () => now), sent, later: (ms: number) => void (now += ms) };
  }

  test('keeps notes in order, each once', async () => {
    const { desk, sent } = made();
    await desk.load();
    await desk.note('환불 승인됨');
    desk.takeNote('second', note('second', 2));
    desk.takeNote('between', note('between', 1.5));
    expect(desk.notes.map(({ id }) => id)).toEqual(['first', 'between', 'second']);
    await desk.removeNote(note('first', 1));
    expect(desk.notes.map(({ id }) => id)).toEqual(['between', 'second']);
    expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET notes', 'POST notes', 'DELETE notes/first']);
  });

  test('writes under a number that stays the same when it is tried again', async () => {
    const { desk, sent } = made();
    await desk.write('Hello', 'n1');
    expect(sent).toEqual([{ method: 'POST', path: 'messages', body: { content: 'Hello', request_id: 'n1' } }]);
  });

  test('tells now and then that somebody writes', async () => {
    const { desk, sent, later } = made();
    for (let n = 0; n < 4; n++) desk.tellWriting();
    later(3_000);
    desk.tellWriting();
    await vi.waitFor(() => expect(sent).toHaveLength(2));
  });

  test('shows the visitor as writing for some seconds', () => {
    vi.useFakeTimers();
    const { desk } = made();
    desk.visitorWrites(true);
    vi.advanceTimersByTime(5_000);
    desk.visitorWrites(true);
    vi.advanceTimersByTime(5_000);
    expect(desk.writing).toBe(true);
    vi.advanceTimersByTime(1_000);
    expect(desk.writing).toBe(false);
    desk.visitorWrites(true);
    desk.visitorWrites(false);
    expect(desk.writing).toBe(false);
    vi.useRealTimers();
  });
});
