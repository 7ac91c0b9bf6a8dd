// Conversations over connections that drop, servers that refuse, and visitors who stop or come back.
import { describe, expect, test } from 'vitest';
import { aroundExcerpt, Conversation, VisitorApi, backoff, type FormPost, type State, type Surroundings } from '../src';

type Reply = (request: { method: string; path: string; body: any; headers: Record<string, string> }) => Response | Promise<Response>;

const json = (body: unknown, status = 200, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });

const SESSION = { token: 'token-1', visitor: { email: null, name: null, verified: false }, session_id: null };
const CARE = { knowledge_id: 'k', title: 'Care', url: null, chunk: 1, page: null, excerpt: 'Rinse', similarity: 0.9 };
const DONE = { id: 'answer', content: 'Rinse it with cold water.', sources: [CARE], link_hosts: ['a.example'], suggestions: ['And the lid?'], offer_person: true, ended: 'complete' };
const TRANSCRIPT: [string, object][] = [
  ['session', { session_id: 's', message_id: 'answer', user_message_id: 'q' }],
  ['sources', { sources: [{ ...CARE, chunk: 2, content: 'unused' }, { ...CARE, excerpt: undefined, content: 'text' }] }],
  ['delta', { content: 'Rinse it ' }],
  ['delta', { content: 'with cold water.' }],
  ['done', DONE],
];

/** The events from number `from` to before `to`, then the end of the connection. */
function stream(from: number, to = TRANSCRIPT.length): Response {
  const text = TRANSCRIPT.slice(from, to)
    .map(([name, data], n) => `event: ${name}\nid: ${from + n}\ndata: ${JSON.stringify(data)}\n\n`)
    .join('');
  return new Response(text, { headers: { 'content-type': 'text/event-stream' } });
}

type Upload = (
  file: File,
  token: string,
  progress: (share: number) => void,
  signal: AbortSignal,
) => Promise<{ status: number; body: object; seconds?: string }>;

const uploaded = (file: File) => ({ status: 201, body: { id: `id of ${file.name}`, name: file.name, url: `/files/${file.name}` } });

function world(replies: Record<string, Reply>, upload: Upload = async (file) => uploaded(file)) {
  const calls: { key: string; body: any; headers: Record<string, string> }[] = [];
  const waits: number[] = [];
  const kept: { token: string | null } = { token: null };
  const fetcher = (async (url: string, init: RequestInit) => {
    const path = url.replace('https://okra.example/api/public/chatbot/teapots', '');
    const method = init.method ?? 'GET';
    const key = `${method} ${path}`;
    const body = init.body ? JSON.parse(String(init.body)) : undefined;
    const headers = init.headers as Record<string, string>;
    const heard = replies['GET /events'];
    // A stream on which nothing happens; it is opened beside what a test is about.
    if (key === 'GET /events' && !heard) return new Response(new ReadableStream());
    calls.push({ key, body, headers });
    const reply = replies[key];
    if (!reply) throw new Error(`nobody expects ${key}`);
    return reply({ method, path, body, headers });
  }) as unknown as typeof fetch;
  let number = 0;
  const post: FormPost = async (url, token, form, progress, signal) => {
    const { status, body, seconds } = await upload(form.get('file') as File, token, progress, signal);
    expect(url).toBe('https://okra.example/api/public/chatbot/teapots/attachments');
    return { status, retryAfter: seconds ?? null, body: JSON.stringify(body) };
  };
  const around: Surroundings = {
    now: () => 1_000,
    uuid: () => `uuid-${number++}`,
    random: () => 1,
    wait: async (ms) => void waits.push(ms),
    load: () => kept.token,
    save: (token) => (kept.token = token),
    page: 'https://shop.example/',
    language: 'en',
    shrink: async (file) => file.slice(0, 60),
  };
  const conversation = new Conversation(new VisitorApi('https://okra.example', 'teapots', post, fetcher), around, { count: 4, bytes: 100 });
  const states: State[] = [];
  conversation.subscribe((state) => states.push(state));
  return { conversation, calls, waits, kept, states };
}

const begins = {
  'POST /session': () => json(SESSION),
  'GET /messages': () => json({ data: [], running: null, has_more: false }),
};

describe('Conversation', () => {
  test('asks, streams and ends with what the server stored', async () => {
    const { conversation, kept, calls, states } = world({ ...begins, 'POST /chat': () => stream(0) });
    await conversation.start();
    await conversation.send('  How do I rinse it?  ');
    const [question, answer] = conversation.state.entries;
    expect(question).toMatchObject({ sender: 'user', content: 'How do I rinse it?' });
    expect(answer).toMatchObject({ id: 'answer', content: DONE.content, state: 'complete' });
    // Of what it was given, what it rests on, with its text and the sentences that say so.
    expect(answer?.sources).toEqual([{ ...CARE, content: 'text' }]);
    expect(answer).toMatchObject({ linkHosts: ['a.example'], suggestions: ['And the lid?'], offersPerson: true });
    expect(kept.token).toBe('token-1');
    expect(calls.at(-1)?.headers['authorization']).toBe('Bearer token-1');
    expect(states.some((state) => state.entries[1]?.content === 'Rinse it ')).toBe(true);
    expect(conversation.state.status).toBe('idle');
  });

  test('takes the answer up where the connection broke, at each event', async () => {
    for (let cut = 1; cut < TRANSCRIPT.length; cut++) {
      const { conversation, calls, waits } = world({
        ...begins,
        'POST /chat': () => stream(0, cut),
        'GET /chat/answer': ({ headers }) => stream(Number(headers['last-event-id']) + 1),
      });
      await conversation.start();
      await conversation.send('How?');
      expect(conversation.state.entries[1], `cut before ${cut}`).toMatchObject({ content: DONE.content, state: 'complete' });
      expect(calls.filter((call) => call.key === 'POST /chat')).toHaveLength(1);
      expect(waits).toEqual([500]);
    }
  });

  test('asks again as the same request where the connection broke before anything came', async () => {
    let tries = 0;
    const { conversation, calls } = world({
      ...begins,
      'POST /chat': () => {
        if (tries++ < 2) throw new TypeError('Failed to fetch');
        return stream(0);
      },
    });
    await conversation.start();
    await conversation.send('How?');
    const asked = calls.filter((call) => call.key === 'POST /chat').map((call) => call.body.request_id);
    expect(new Set(asked).size).toBe(1);
    expect(asked).toHaveLength(3);
    expect(conversation.state.entries[1]?.state).toBe('complete');
  });

  test('gives up after a while, says so, and goes on when asked to', async () => {
    let online = false;
    const { conversation, waits } = world({
      ...begins,
      'POST /chat': () => (online ? stream(0) : new Response('', { status: 503 })),
    });
    await conversation.start();
    await conversation.send('How?');
    expect(conversation.state.status).toBe('offline');
    expect(waits).toHaveLength(8);
    online = true;
    await conversation.reconnect();
    expect(conversation.state.entries.map((entry) => entry.state)).toEqual(['sent', 'complete']);
  });

  test('a token that ended is renewed once', async () => {
    let tokens = 0;
    const { conversation, calls } = world({
      ...begins,
      'POST /session': () => json({ ...SESSION, token: `token-${++tokens}` }),
      'POST /chat': ({ headers }) =>
        headers['authorization'] === 'Bearer token-2' ? stream(0) : json({ code: 'visitor_token_invalid', error: 'It ended.' }, 401),
    });
    await conversation.start();
    await conversation.send('How?');
    expect(conversation.state.entries[1]?.state).toBe('complete');
    expect(calls.filter((call) => call.key === 'POST /session')).toHaveLength(2);
  });

  test('who asks too fast is told until when to wait', async () => {
    const limited = () => json({ code: 'rate_limited', error: 'Please try again in 30 s.' }, 429, { 'retry-after': '30' });
    const { conversation } = world({ ...begins, 'POST /chat': limited });
    await conversation.start();
    await conversation.send('How?');
    expect(conversation.state).toMatchObject({ status: 'limited', until: 31_000, notice: 'Please try again in 30 s.' });
    expect(conversation.canRetry()).toBe(true);
  });

  test('an answer that failed keeps what was written and is asked anew', async () => {
    let tries = 0;
    const failed = 'event: session\nid: 0\ndata: {"message_id":"first"}\n\nevent: delta\nid: 1\ndata: {"content":"Half"}\n\nevent: error\nid: 2\ndata: {"error":"Out of tea."}\n\n';
    const { conversation, calls } = world({ ...begins, 'POST /chat': () => (tries++ ? stream(0) : new Response(failed)) });
    await conversation.start();
    await conversation.send('How?');
    expect(conversation.state.entries[1]).toMatchObject({ content: 'Half', state: 'failed', error: 'Out of tea.' });
    await conversation.retry();
    const asked = calls.filter((call) => call.key === 'POST /chat').map((call) => call.body.request_id);
    expect(new Set(asked).size).toBe(2);
    expect(conversation.state.entries.map((entry) => entry.content)).toEqual(['How?', DONE.content]);
  });

  test('stops at the server, and the stream ends of itself', async () => {
    let end = (): void => {};
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(encoder.encode('event: session\nid: 0\ndata: {"message_id":"answer"}\n\n'));
        end = () => {
          const done = JSON.stringify({ ...DONE, content: 'Rinse', ended: 'cancelled' });
          controller.enqueue(encoder.encode(`event: done\nid: 1\ndata: ${done}\n\n`));
          controller.close();
        };
      },
    });
    const { conversation } = world({
      ...begins,
      'POST /chat': () => new Response(body),
      'DELETE /chat/answer': () => (end(), new Response(null, { status: 204 })),
    });
    await conversation.start();
    const begun = new Promise<void>((resolve) => conversation.subscribe((state) => state.entries[1]?.id && resolve()));
    const sent = conversation.send('How?');
    await begun;
    await conversation.stop();
    await sent;
    expect(conversation.state.entries[1]).toMatchObject({ content: 'Rinse', state: 'cancelled' });
  });

  test('comes back after a reload to what was said and to the answer under way', async () => {
    const stored = { id: 'q', sender_type: 'user', content: 'How?', created_at: '', sources: [], feedback: null, ended: null };
    const { conversation, calls } = world({
      'POST /session': () => json(SESSION),
      'GET /messages': () => json({ data: [stored], running: 'answer', has_more: false }),
      'GET /chat/answer': () => stream(1),
    });
    await conversation.start();
    expect(conversation.state.entries.map((entry) => entry.content)).toEqual(['How?', DONE.content]);
    expect(calls.at(-1)?.headers['last-event-id']).toBe('0');
  });

  test('asks for the e-mail first, and again where the server refuses it', async () => {
    const { conversation, calls } = world({
      ...begins,
      'POST /session': ({ body }) =>
        body.email === 'kim@example.com' ? json(SESSION) : json({ code: 'invalid_request', error: 'email: is no e-mail address' }, 400),
    });
    await conversation.start(true);
    expect(conversation.state.status).toBe('email');
    expect(calls).toHaveLength(0);
    await conversation.giveEmail('kim');
    expect(conversation.state).toMatchObject({ status: 'email', notice: 'email: is no e-mail address' });
    await conversation.giveEmail('kim@example.com');
    expect(conversation.state.status).toBe('idle');
  });

  test('a rating that was not kept is taken back', async () => {
    let keeps = true;
    const { conversation } = world({
      ...begins,
      'POST /chat': () => stream(0),
      'PUT /messages/answer/feedback': () => (keeps ? new Response(null, { status: 204 }) : json({ code: 'failed', error: 'No.' }, 500)),
    });
    await conversation.start();
    await conversation.send('How?');
    const answer = () => conversation.state.entries[1]!;
    await conversation.rate(answer(), 'up');
    expect(answer().feedback).toBe('up');
    keeps = false;
    await conversation.rate(answer(), 'down');
    expect(answer().feedback).toBe('up');
    expect(conversation.state.notice).toBe('No.');
  });

  test('waits longer each time, up to twenty seconds, never all at once', () => {
    expect([0, 1, 2, 9].map((attempt) => backoff(attempt, 1))).toEqual([500, 1000, 2000, 20_000]);
    expect(backoff(3, 0)).toBe(2000);
  });
});

test('what is asked before the chat has begun is asked once it has', async () => {
  const { conversation, calls } = world({ ...begins, 'POST /chat': () => stream(0) });
  const starting = conversation.start();
  await conversation.send('How?');
  await starting;
  expect(calls.map(({ key }) => key)).toEqual(['POST /session', 'GET /messages', 'POST /chat']);
  expect(conversation.state.entries.map(({ content }) => content)).toEqual(['How?', DONE.content]);
});

const image = (name: string, bytes = 10, type = 'image/png') => new File([new Uint8Array(bytes)], name, { type });

describe('Images', () => {
  test('are uploaded when they are chosen and go with the next message', async () => {
    const shares: number[] = [];
    const { conversation, calls } = world({ ...begins, 'POST /chat': () => stream(0) }, async (file, token, progress) => {
      expect(token).toBe('token-1');
      for (const share of [0.25, 0.5, 1]) progress(share);
      return uploaded(file);
    });
    conversation.images.subscribe(() => shares.push(conversation.images.list[0]?.share ?? -1));
    await conversation.start();
    const adding = conversation.images.add([image('a.png'), image('b.webp', 10, 'image/webp')]);
    expect(conversation.images.list.map(({ state }) => state)).toEqual(['sending', 'sending']);
    expect(conversation.canSend('Look!')).toBe(false);
    await conversation.send('Look!');
    expect(conversation.state.entries).toEqual([]);
    await adding;
    expect(shares).toContain(0.5);
    expect(conversation.canSend('')).toBe(true);
    await conversation.send('');
    expect(conversation.state.entries[0]).toMatchObject({ content: '', images: [{ name: 'a.png', url: '/files/a.png' }, { name: 'b.webp' }] });
    expect(calls.at(-1)?.body).toMatchObject({ content: '', attachments: ['id of a.png', 'id of b.webp'] });
    expect(conversation.images.list).toEqual([]);
    expect(conversation.canSend('')).toBe(false);
  });

  test('go again with a question that is asked again', async () => {
    let tries = 0;
    const busy = () => json({ code: 'rate_limited', error: 'Wait.' }, 429, { 'retry-after': '1' });
    const { conversation, calls } = world({ ...begins, 'POST /chat': () => (tries++ ? stream(0) : busy()) });
    await conversation.start();
    await conversation.images.add([image('a.png')]);
    await conversation.send('This?');
    await conversation.retry();
    const asked = calls.filter(({ key }) => key === 'POST /chat').map(({ body }) => body);
    expect(asked[1]).toEqual(asked[0]);
    expect(asked[1].attachments).toEqual(['id of a.png']);
  });

  test('are refused with a reason when they cannot be sent', async () => {
    const { conversation } = world(begins);
    const { images } = conversation;
    await conversation.start();
    await images.add([image('a.svg', 10, 'image/svg+xml')]);
    expect([images.list.length, images.fault]).toEqual([0, 'kind']);
    await images.add(['1', '2', '3', '4', '5'].map((name) => image(name)));
    expect([images.list.length, images.fault]).toEqual([4, 'count']);
    images.remove(images.list[0]!.key);
    expect([images.list.length, images.fault]).toEqual([3, undefined]);
  });

  test('that are too large are made smaller, or refused', async () => {
    const sizes: number[] = [];
    const { conversation } = world(begins, async (file) => (sizes.push(file.size), uploaded(file)));
    await conversation.start();
    await conversation.images.add([image('large.png', 5000)]);
    expect(sizes).toEqual([60]);
    const stubborn = image('huge.png', 5000);
    stubborn.slice = () => stubborn;
    await conversation.images.add([stubborn]);
    expect(conversation.images.fault).toBe('size');
    expect(conversation.images.isReady).toBe(false);
  });

  test.each([
    ['too_large', 413, 'size'],
    ['unsupported_type', 415, 'kind'],
    ['unprocessable', 422, 'damaged'],
    ['rate_limited', 429, 'limited'],
    [undefined, 503, 'offline'],
    ['internal', 500, 'failed'],
  ])('whose upload ends in %s say so and can be tried again', async (code, status, fault) => {
    let broken = true;
    const { conversation } = world(begins, async (file) => (broken ? { status, body: { code } } : uploaded(file)));
    await conversation.start();
    await conversation.images.add([image('a.png')]);
    expect(conversation.images.fault).toBe(fault);
    expect(conversation.canSend('Hi')).toBe(false);
    broken = false;
    await conversation.images.retry(conversation.images.list[0]!.key);
    expect(conversation.images.fault).toBeUndefined();
    expect(conversation.canSend('')).toBe(true);
  });

  test('taken back while they are uploaded are uploaded no further', async () => {
    let aborted = false;
    const { conversation } = world(begins, (_file, _token, _progress, signal) => {
      return new Promise((_, reject) => signal.addEventListener('abort', () => ((aborted = true), reject(new Error('aborted')))));
    });
    await conversation.start();
    const adding = conversation.images.add([image('a.png')]);
    await Promise.resolve();
    await new Promise((resolve) => setTimeout(resolve));
    conversation.images.remove(conversation.images.list[0]!.key);
    await adding;
    expect(aborted).toBe(true);
    expect([conversation.images.list.length, conversation.images.fault]).toEqual([0, undefined]);
  });

  test('outlive a token that has ended', async () => {
    let sessions = 0;
    const replies = { ...begins, 'POST /session': () => json({ ...SESSION, token: `token-${++sessions}` }) };
    const { conversation } = world(replies, async (file, token) =>
      token === 'token-2' ? uploaded(file) : { status: 401, body: { code: 'visitor_token_invalid' } },
    );
    await conversation.start();
    await conversation.images.add([image('a.png')]);
    expect(conversation.images.isReady).toBe(true);
    expect(sessions).toBe(2);
  });
});

test('the passages of an older answer are brought when they are opened', async () => {
  const source = { knowledge_id: 'k', title: 'Care', url: null, page: null, similarity: 0.9 };
  const message = { id: 'answer', sender_type: 'bot', content: 'Rinse it.', created_at: '', attachments: null, feedback: null, ended: 'complete' };
  const { conversation, calls } = world({
    ...begins,
    'GET /messages': () => json({ data: [{ ...message, sources: [{ ...source, chunk: 1 }, { ...source, chunk: 2 }] }], running: null }),
    'GET /messages/answer/sources': () => json({ data: [{ ...source, chunk: 2, content: 'With cold water.' }] }),
  });
  await conversation.start();
  await conversation.passages(conversation.state.entries[0]!);
  expect(conversation.state.entries[0]!.sources.map(({ content }) => content)).toEqual(['', 'With cold water.']);
  await conversation.passages(conversation.state.entries[0]!);
  expect(calls.filter(({ key }) => key.endsWith('/sources'))).toHaveLength(1);
});

test('a passage is told apart around its excerpt', () => {
  const check = (text: string, excerpt: string | null | undefined, parts: string[]): void => expect(aroundExcerpt(text, excerpt)).toEqual(parts);
  check('One. Two. Three.', 'Two.', ['One. ', 'Two.', ' Three.']);
  check('One. Two.', 'gone', ['One. Two.']);
  check('One.', undefined, ['One.']);
  check('One.', null, ['One.']);
});

describe('Tools', () => {
  const details = [{ name: 'order_id', value: '7' }];
  const waits = { id: 'call_1', title: 'Cancel an order', state: 'awaiting_confirmation', details };
  const events = (...all: [string, object][]) =>
    new Response(all.map(([name, data]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`).join(''));
  const asked = () => events(
    ['session', { session_id: 's', message_id: 'answer' }],
    ['tool_call', waits],
    ['delta', { content: 'Shall I?' }],
    ['done', { ...DONE, content: 'Shall I?', calls: [waits] }],
  );

  test('a call waits for the visitor, who confirms it once', async () => {
    const done = { ...waits, state: 'done', details: [] };
    const replies = [asked(), events(
      ['session', { session_id: 's', message_id: 'second' }],
      ['tool_call', { ...done, state: 'called' }],
      ['tool_result', { id: 'call_1', failed: false }],
      ['done', { ...DONE, id: 'second', content: 'It is cancelled.', calls: [done] }],
    )];
    const { conversation, calls, states } = world({ ...begins, 'POST /chat': () => replies.shift()! });
    await conversation.start();
    await conversation.send('Cancel order 7');
    expect(conversation.waiting()).toEqual(waits);
    await conversation.confirm('Yes: Cancel an order');
    const { body } = calls.at(-1)!;
    expect(body).toMatchObject({ content: 'Yes: Cancel an order', confirm: { message_id: 'answer', call_id: 'call_1' } });
    expect(states.some(({ entries }) => entries[3]?.calls[0]?.state === 'called')).toBe(true);
    expect(conversation.state.entries[3]).toMatchObject({ content: 'It is cancelled.', calls: [done] });
    expect(conversation.waiting()).toBeUndefined();
    await conversation.confirm('Again');
    expect(calls.filter(({ key }) => key === 'POST /chat')).toHaveLength(2);
  });

  test('what is said instead lets the call lapse', async () => {
    const replies = [asked(), stream(0)];
    const { conversation, calls } = world({ ...begins, 'POST /chat': () => replies.shift()! });
    await conversation.start();
    await conversation.send('Cancel order 7');
    await conversation.send('No, leave it.');
    expect(conversation.waiting()).toBeUndefined();
    expect(calls.at(-1)?.body.confirm).toBeUndefined();
  });

  test('a call waits still after a reload, and not while a person has the conversation', async () => {
    const stored = { id: 'answer', sender_type: 'bot', content: 'Shall I?', attachments: null, sources: [], link_hosts: [], suggestions: [], offer_person: true, calls: [waits], feedback: null, agent: null, ended: 'complete' };
    const history = (handling: object | null) => ({ 'POST /session': () => json(SESSION), 'GET /messages': () => json({ data: [stored], running: null, has_more: false, handling }) });
    const reloaded = world(history(null));
    await reloaded.conversation.start();
    expect(reloaded.conversation.waiting()).toEqual(waits);
    expect(reloaded.conversation.state.entries[0]?.offersPerson).toBe(true);
    const taken = world(history({ is_human_mode: true, state: 'waiting', agent: null }));
    await taken.conversation.start();
    expect(taken.conversation.waiting()).toBeUndefined();
  });
});
