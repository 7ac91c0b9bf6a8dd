// People who answer in the chatbot's place, over streams that end and messages that come twice.
import { expect, test } from 'vitest';
import { Conversation, VisitorApi } from '../src';

const BOT = { is_human_mode: false, state: 'in_progress', agent: null };
const MINJI = { is_human_mode: true, state: 'in_progress', agent: 'Minji' };
const WAITING = { is_human_mode: true, state: 'waiting', agent: null };
const from = (id: string, content: string) => ({
  id, content, sender_type: 'agent', agent: 'Minji', created_at: '', attachments: null, sources: [], feedback: null, ended: null,
});

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });
const block = ([name, data]: [string, unknown]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
/** A stream that ends after these events. */
const over = (...events: [string, unknown][]) => new Response(events.map(block).join(''));

/** A stream that goes on, to which a test says what happens. */
function live() {
  let control!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (it) => void (control = it) });
  const say = (...event: [string, unknown]) => control.enqueue(new TextEncoder().encode(block(event)));
  return { response: new Response(body), say, end: () => control.close() };
}

type Replies = Record<string, (body: any) => Response>;

function world(replies: Replies) {
  const calls: string[] = [];
  let now = 10_000;
  const fetcher = (async (url: string, init: RequestInit) => {
    const key = `${init.method} ${url.replace('https://okra.example/api/public/chatbot/teapots', '')}`;
    calls.push(key);
    const reply = replies[key];
    if (!reply) throw new Error(`nobody expects ${key}`);
    return reply(init.body ? JSON.parse(String(init.body)) : undefined);
  }) as unknown as typeof fetch;
  const never = new Promise<void>(() => {});
  let [uuids, waits] = [0, 0];
  const conversation = new Conversation(new VisitorApi('https://okra.example', 'teapots', async () => ({ status: 500, retryAfter: null, body: '' }), fetcher), {
    now: () => now,
    uuid: () => `uuid-${uuids++}`,
    random: () => 1,
    // Short pauses are over at once, as often as a test needs; nobody stops writing by themselves.
    wait: async (ms) => (ms < 6_000 && waits++ < 20 ? undefined : never),
    load: () => null,
    save: () => {},
    shrink: async (file) => file,
    page: '',
    language: 'en',
  });
  return { conversation, calls, later: (ms: number) => void (now += ms) };
}

const begins = (data: unknown[], handling: unknown): Replies => ({
  'POST /session': () => json({ token: 't' }),
  'GET /messages': () => json({ data, running: null, handling, has_more: false }),
});
const settled = () => new Promise((resolve) => setTimeout(resolve));

test('what an agent writes is shown as it comes, and once', async () => {
  const stream = live();
  const { conversation } = world({ ...begins([], BOT), 'GET /events': () => stream.response });
  await conversation.start();
  stream.say('handling', BOT);
  stream.say('handling', MINJI);
  stream.say('typing', {});
  await settled();
  expect(conversation.state).toMatchObject({ handling: MINJI, typing: true });
  stream.say('message', from('1', '안녕하세요'));
  stream.say('message', from('1', '안녕하세요'));
  await settled();
  expect(conversation.state.typing).toBe(false);
  expect(conversation.state.entries).toHaveLength(1);
  expect(conversation.state.entries[0]).toMatchObject({ sender: 'agent', agent: 'Minji', content: '안녕하세요', state: 'complete' });
});

test('what was written while the connection was lost is read, and nothing twice', async () => {
  const stream = live();
  let opened = 0;
  const written: unknown[] = [];
  const { conversation, calls } = world({
    ...begins(written, MINJI),
    'GET /events': () => (opened++ ? stream.response : over(['handling', BOT], ['message', from('1', 'One')])),
  });
  await conversation.start();
  await settled();
  written.push(from('1', 'One'), from('2', 'Two'));
  stream.say('handling', MINJI);
  stream.say('message', from('2', 'Two'));
  await settled();
  expect(conversation.state.entries.map(({ content }) => content)).toEqual(['One', 'Two']);
  expect(calls.filter((key) => key === 'GET /messages')).toHaveLength(2);
});

test('an answer that a person cut off is no answer, and what is said then waits for the person', async () => {
  const stream = live();
  const { conversation } = world({
    ...begins([], null),
    'GET /events': () => stream.response,
    'POST /chat': () =>
      over(['session', { session_id: 's', message_id: 'a' }], ['delta', { content: 'Rinse ' }], ['done', { id: null, content: '', ended: 'handed_over', is_human_mode: true }]),
  });
  await conversation.start();
  await conversation.send('How do I rinse it?');
  expect(conversation.state.entries.map(({ sender }) => sender)).toEqual(['user']);
  expect(conversation.state).toMatchObject({ status: 'idle', handling: { is_human_mode: true } });
  expect(conversation.canSend('Hello?')).toBe(true);
  expect(conversation.canRetry()).toBe(false);
});

test('a person is asked for, and waited for no longer', async () => {
  const { conversation } = world({
    ...begins([], BOT),
    'GET /events': () => live().response,
    'POST /person': () => json(WAITING),
    'DELETE /person': () => json({ code: 'rate_limited', error: 'Too fast.' }, 429),
  });
  await conversation.start();
  await conversation.people.call(true);
  expect(conversation.state.handling).toEqual(WAITING);
  await conversation.people.call(false);
  expect(conversation.state).toMatchObject({ handling: WAITING, notice: 'Too fast.' });
});

test('what an agent wrote counts as read once it is in sight', async () => {
  const stream = live();
  const read: string[] = [];
  const { conversation } = world({
    ...begins([from('0', 'Before')], MINJI),
    'GET /events': () => stream.response,
    'PUT /read': ({ message_id }) => (read.push(message_id), new Response(null, { status: 204 })),
  });
  await conversation.start();
  expect(read).toEqual(['0']);
  conversation.people.sees(false);
  stream.say('handling', BOT);
  stream.say('message', from('1', 'One'));
  stream.say('message', from('2', 'Two'));
  await settled();
  expect(read).toEqual(['0']);
  conversation.people.sees(true);
  stream.say('message', from('3', 'Three'));
  await settled();
  expect(read).toEqual(['0', '2', '3']);
});

test('that the visitor writes is told every few seconds at most', async () => {
  const { conversation, calls, later } = world({ 'POST /typing': () => new Response(null, { status: 204 }) });
  for (let n = 0; n < 5; n++) await conversation.people.writes();
  later(3_000);
  await conversation.people.writes();
  expect(calls).toHaveLength(2);
});

test('a server that refuses is not asked again', async () => {
  const { conversation, calls } = world({ ...begins([], BOT), 'GET /events': () => json({ code: 'not_found', error: 'No.' }, 404) });
  await conversation.start();
  await settled();
  expect(calls.filter((key) => key === 'GET /events')).toHaveLength(1);
});
