import { client } from '@okra/client';
import { describe, expect, test, vi } from 'vitest';
import { Conversations, filterOf, fits, queryOf, type Conversation } from '../src/pages/conversations/parts/conversations.svelte';
import { factsOf, type Message } from '../src/pages/conversations/parts/message';
import { Thread } from '../src/pages/conversations/parts/thread.svelte';
import { dialled, nameOf, visitorOf } from '../src/pages/conversations/parts/visitor';

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
const message = (id: string, minute: number, more: Partial<Message> = {}): Message => ({
  id,
  session_id: 's',
  content: id,
  created_at: new Date(Date.UTC(2026, 10, 24, 10, minute)).toISOString(),
  metadata: {},
  migrated_data: false,
  sender_type: 'user',
  tokens_used: 0,
  ...more,
});

describe('a filter', () => {
  test.each([
    ['platform=web&state=waiting&from=2026-11-01&to=2026-11-24&search=tea', { platform: 'web', state: 'waiting', from: '2026-11-01', to: '2026-11-24', search: 'tea' }],
    ['platform=&state=lost&from=yesterday&to=2026-1-1&search=+', {}],
  ])('is read from the address %s', (query, expected) => {
    expect(filterOf(new URLSearchParams(query))).toEqual(expected);
  });

  test('means whole days where the person is', () => {
    const { from, to } = queryOf({ from: '2026-11-24', to: '2026-11-30' });
    expect(new Date(from!)).toEqual(new Date(2026, 10, 24));
    expect(new Date(to!)).toEqual(new Date(2026, 11, 1));
    const at = (time: Date) => conversation('c', { updated_at: time.toISOString() });
    const day = { from: '2026-11-24', to: '2026-11-24' };
    expect(fits(at(new Date(2026, 10, 24, 0, 0)), day)).toBe(true);
    expect(fits(at(new Date(2026, 10, 24, 23, 59)), day)).toBe(true);
    expect(fits(at(new Date(2026, 10, 25, 0, 0)), day)).toBe(false);
    expect(fits(at(new Date(2026, 10, 23, 23, 59)), day)).toBe(false);
  });

  test('tells platforms and states apart', () => {
    expect(fits(conversation('c'), { platform: 'web', state: 'in_progress' })).toBe(true);
    expect(fits(conversation('c'), { platform: 'api' })).toBe(false);
    expect(fits(conversation('c'), { state: 'resolved' })).toBe(false);
  });
});

test('what is said moves a conversation to the front', async () => {
  vi.useFakeTimers();
  const all = [conversation('a'), conversation('b')];
  const fetch = async () => Response.json({ data: all, pagination: { total: all.length } });
  const conversations = new Conversations(client({ base: 'http://okra.test', fetch: fetch as typeof globalThis.fetch }), 'b');
  const ids = () => conversations.list.known().map(({ id }) => id);
  await conversations.filter({});
  conversations.take(conversation('b', { updated_at: '2026-11-24T11:00:00Z' }));
  expect(ids()).toEqual(['b', 'a']);
  // A rating, for one, changes nothing about the order.
  conversations.take(conversation('a', { state: 'resolved' }));
  expect(ids()).toEqual(['b', 'a']);
  conversations.take(conversation('new'));
  expect(ids()).toEqual(['new', 'b', 'a']);
  // The server has the last word on what there is.
  await vi.runAllTimersAsync();
  expect(ids()).toEqual(['a', 'b']);
  await conversations.filter({ state: 'in_progress' });
  conversations.take(conversation('a', { state: 'resolved', updated_at: '2026-11-24T12:00:00Z' }));
  expect(ids()).toEqual(['b']);
  vi.useRealTimers();
});

describe('a thread', () => {
  /** A thread over a server that has this many messages. */
  function made(total: number) {
    const pages: number[] = [];
    const fetch = async (request: Request) => {
      const page = Number(new URL(request.url).searchParams.get('page'));
      pages.push(page);
      const data = Array.from({ length: total }, (_, at) => message(`m${at}`, at)).slice((page - 1) * 100, page * 100);
      return Response.json({ data, pagination: { total } });
    };
    const thread = new Thread(client({ base: 'http://okra.test', fetch: fetch as typeof globalThis.fetch }), 'b', 's');
    return { thread, pages, ids: () => thread.messages?.map(({ id }) => id) };
  }

  test('shows its latest part, and earlier parts as they are asked for', async () => {
    const { thread, pages } = made(450);
    await thread.load();
    expect(thread.messages?.at(0)?.id).toBe('m300');
    expect(thread.messages?.at(-1)?.id).toBe('m449');
    expect(thread.earlier).toBe(3);
    await thread.loadEarlier();
    expect(thread.messages?.at(0)?.id).toBe('m200');
    await thread.loadEarlier();
    await thread.loadEarlier();
    await thread.loadEarlier();
    expect(thread.messages).toHaveLength(450);
    expect(pages).toEqual([1, 5, 4, 3, 2, 1]);
  });

  test('takes what is said in it, once and in order', async () => {
    const { thread, ids } = made(2);
    await thread.load();
    thread.take(message('late', 9));
    thread.take(message('between', 5));
    thread.take(message('late', 9, { content: 'rated' }));
    thread.take(message('other', 10, { session_id: 'elsewhere' }));
    expect(ids()).toEqual(['m0', 'm1', 'between', 'late']);
    expect(thread.messages?.at(-1)?.content).toBe('rated');
  });
});

test('how an answer came about is read, and what is malformed is left out', () => {
  const facts = factsOf(
    message('m', 1, {
      metadata: {
        answered_by: 'passage',
        ended: 'complete',
        outcome: 'answered',
        timings_ms: { retrieval: 2.5, first_text: null, total: 'long' },
        feedback: { rating: 'down', comment: 'Wrong.' },
        mail: { state: 'sent', to: 'kim@example.com', at: '2026-01-01T00:00:00Z' },
        sources: [{ knowledge_id: 'k', title: 'T', chunk: 1, similarity: 0.9 }],
      },
    }),
  );
  expect(facts).toMatchObject({ answeredBy: 'passage', ended: 'complete', outcome: 'answered', error: undefined, feedback: { rating: 'down', comment: 'Wrong.' }, mail: { state: 'sent', to: 'kim@example.com' } });
  expect(facts.timings).toEqual({ retrieval: 2.5, first_text: undefined, total: undefined });
  expect(facts.sources).toHaveLength(1);
  expect(factsOf(message('m', 1, { metadata: { ended: 'interrupted', error: 'The server stopped.' } }))).toMatchObject({ ended: 'interrupted', error: 'The server stopped.' });
  expect(factsOf(message('m', 1, { metadata: { ended: 'complete', finish: 'length' } })).finish).toBe('length');
  const empty = factsOf(message('m', 1, { metadata: { answered_by: 'magic', finish: 'tired', timings_ms: null, sources: 'none', feedback: { rating: 'sideways' }, mail: { state: 'lost', to: 'kim@example.com' } } }));
  expect(empty).toMatchObject({ answeredBy: undefined, finish: undefined, sources: [], feedback: undefined, mail: undefined });
});

test('a visitor is called by the best that is known', () => {
  const anonymous = (mark: string) => `Visitor ${mark}`;
  const name = (metadata: Record<string, unknown>, token?: string) => nameOf(visitorOf(conversation('c', { metadata, ...(token && { sns_user_id: token }) })), anonymous);
  expect(name({ name: 'Kim', email: 'kim@example.com' })).toBe('Kim');
  expect(name({ name: ' ', email: 'kim@example.com' })).toBe('kim@example.com');
  expect(name({ phone: '010-1234-5678' }, 'abcdef1234')).toBe('010-1234-5678');
  expect(name({ name: 7 }, 'abcdef1234')).toBe('Visitor 1234');
  expect(visitorOf(conversation('c', { metadata: { verified: 'true' } })).verified).toBe(false);
});

test('a number is dialled however it was written', () => {
  expect(dialled('+82 (10) 1234-5678')).toBe('tel:+821012345678');
  expect(dialled('010.1234.5678')).toBe('tel:01012345678');
});
