// The end of a conversation: saying that it is settled, and how it was.
import { expect, test } from 'vitest';
import { Conversation, VisitorApi } from '../src';

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });
const BOT = { is_human_mode: false, state: 'in_progress', agent: null };
const ENDED = { ...BOT, state: 'resolved' };

type Replies = Record<string, (body: any) => Response | Promise<Response>>;

function world(replies: Replies) {
  const sent: [string, unknown][] = [];
  const never = new Promise<Response>(() => {});
  const fetcher = (async (url: string, init: RequestInit) => {
    const key = `${init.method} ${url.replace('https://okra.example/api/public/chatbot/teapots', '')}`;
    const body = init.body ? JSON.parse(String(init.body)) : undefined;
    if (key !== 'GET /events') sent.push([key, body]);
    return replies[key]?.(body) ?? never;
  }) as unknown as typeof fetch;
  const conversation = new Conversation(new VisitorApi('https://okra.example', 'teapots', async () => ({ status: 500, retryAfter: null, body: '' }), fetcher), {
    now: () => 0,
    uuid: () => crypto.randomUUID(),
    random: () => 1,
    wait: () => new Promise(() => {}),
    load: () => null,
    save: () => {},
    shrink: async (file) => file,
    page: '',
    language: 'en',
  });
  return { conversation, sent };
}

const begins = (handling: unknown, score: number | null): Replies => ({
  'POST /session': () => json({ token: 't' }),
  'GET /messages': () => json({ data: [], running: null, handling, score, has_more: false }),
});

test('a conversation is ended and rated, and goes on with the next message', async () => {
  const { conversation, sent } = world({
    ...begins(BOT, null),
    'POST /end': () => json(ENDED),
    'PUT /rating': () => json({ score: 4, comment: 'Quick.', rated_at: '' }),
  });
  await conversation.start();
  await conversation.end();
  expect(conversation.state.handling).toEqual(ENDED);
  expect(await conversation.rateAll(4, 'Quick.')).toBe(true);
  expect(conversation.state.score).toBe(4);
  expect(sent.at(-1)).toEqual(['PUT /rating', { score: 4, comment: 'Quick.' }]);
  void conversation.send('One more thing?');
  await Promise.resolve();
  expect(conversation.state).toMatchObject({ handling: BOT, score: undefined });
});

test('a rating that was given is known after a reload', async () => {
  const { conversation } = world(begins(ENDED, 5));
  await conversation.start();
  expect(conversation.state).toMatchObject({ handling: ENDED, score: 5 });
});

test('what was refused says why, and keeps nothing', async () => {
  const refused = () => json({ error: 'A conversation can be rated once it was ended.', code: 'not_ended' }, 409);
  const { conversation } = world({ ...begins(BOT, null), 'PUT /rating': refused, 'POST /end': () => json({ error: 'No.', code: 'ratings_disabled' }, 403) });
  await conversation.start();
  expect(await conversation.rateAll(5, '')).toBe(false);
  expect(conversation.state).toMatchObject({ score: undefined, notice: 'A conversation can be rated once it was ended.' });
  await conversation.end();
  expect(conversation.state).toMatchObject({ handling: BOT, notice: 'No.' });
});
