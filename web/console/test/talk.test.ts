import { ApiError, OFFLINE } from '@okra/client';
import { expect, test } from 'vitest';
import { Talk, type Ask } from '../src/pages/playground/parts/talk.svelte';
import { seconds } from '../src/lib/time.svelte';
import { spent } from '../src/pages/playground/parts/times';

const PASSAGE = { knowledge_id: 'k1', title: 'Care', chunk: 1, content: 'Rinse it.', similarity: 0.9 };
const OTHER = { ...PASSAGE, chunk: 2, content: 'Dry it.' };
const event = (name: string, data: object): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
const BEGIN = event('session', { session_id: 's1', message_id: 'm1' }) + event('sources', { sources: [PASSAGE, OTHER] });
const DONE = event('done', {
  content: 'Rinse it.',
  model: 'gpt-4o-mini',
  tokens_used: 42,
  metadata: { answered_by: 'model', finish: 'length', looked_up: 'How is the lid cleaned?', sources: [{ knowledge_id: 'k1', chunk: 1, excerpt: 'Rinse it.' }], timings_ms: { retrieval: 2, first_text: 300, total: 900 } },
});

/** A server that answers each question with the next of `answers`, and keeps what it was asked. */
function server(...answers: (string | ApiError)[]): { ask: Ask; asked: any[] } {
  const asked: any[] = [];
  const ask: Ask = async (body) => {
    asked.push(body);
    const answer = answers.shift();
    if (answer instanceof ApiError) throw answer;
    return new Response(answer);
  };
  return { ask, asked };
}

/** A server that says `begin` and nothing more, until the question is given up. */
const hanging = (begin: string): Ask => async (_, signal) => {
  const body = new ReadableStream({
    start(stream) {
      stream.enqueue(new TextEncoder().encode(begin));
      signal.addEventListener('abort', () => stream.error(new DOMException('given up', 'AbortError')));
    },
  });
  return new Response(body);
};
/** Resolves once what was sent is read. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

test('an answer comes with its passages and how it came about', async () => {
  const { ask, asked } = server(BEGIN + event('delta', { content: 'Rinse ' }) + event('delta', { content: 'it.' }) + DONE, BEGIN + DONE);
  const talk = new Talk(ask);
  await talk.ask(' How do I clean it? ');
  expect(talk.turns).toHaveLength(1);
  expect(talk.turns[0]).toMatchObject({
    question: 'How do I clean it?',
    answer: 'Rinse it.',
    state: 'complete',
    passages: [PASSAGE, OTHER],
    used: [{ ...PASSAGE, excerpt: 'Rinse it.' }],
    facts: { lookedUp: 'How is the lid cleaned?', by: 'model', finish: 'length', model: 'gpt-4o-mini', tokens: 42, timings: { retrieval: 2, first_text: 300, total: 900 } },
  });
  await talk.ask('And the lid?');
  expect(asked[0]).toEqual({ platform: 'playground', messages: [{ role: 'user', content: 'How do I clean it?' }] });
  expect(asked[1].session_id, 'the same conversation goes on').toBe('s1');
});

test('the provider’s words are kept, and asking again takes the place of what failed', async () => {
  const failed = event('error', { error: 'The model provider failed: no such model', code: 'provider_failed' });
  const { ask } = server(BEGIN + failed, BEGIN + DONE);
  const talk = new Talk(ask);
  await talk.ask('Hello?');
  expect(talk.turns[0]).toMatchObject({ state: 'failed', error: { code: 'provider_failed', message: 'The model provider failed: no such model' } });
  await talk.retry();
  expect(talk.turns.map(({ question, state }) => [question, state])).toEqual([['Hello?', 'complete']]);
});

test.each([
  ['a stream that is cut off', BEGIN + event('delta', { content: 'Rin' }), OFFLINE],
  ['a refusal', new ApiError('rate_limited', 'Too many.', 429, [], 7), 'rate_limited'],
])('%s is no answer', async (_, answer, code) => {
  const talk = new Talk(server(answer).ask);
  await talk.ask('Hello?');
  expect(talk.turns[0]?.state).toBe('failed');
  expect(talk.turns[0]?.error?.code).toBe(code);
  expect(talk.busy).toBe(false);
});

test('what was written before one stopped stays', async () => {
  const talk = new Talk(hanging(BEGIN + event('delta', { content: 'Rinse' })));
  const asked = talk.ask('Hello?');
  await settled();
  expect(talk.busy).toBe(true);
  await talk.ask('Another?');
  expect(talk.turns, 'one question at a time').toHaveLength(1);
  talk.stop();
  await asked;
  expect(talk.turns[0]).toMatchObject({ state: 'cancelled', answer: 'Rinse', error: undefined });
});

test('started over, nothing of the answer under way comes back, and a new conversation begins', async () => {
  const { ask, asked } = server(BEGIN + DONE);
  let first = true;
  const talk = new Talk((body, signal) => {
    const how = first ? hanging(BEGIN) : ask;
    first = false;
    return how(body, signal);
  });
  const before = talk.ask('Hello?');
  await settled();
  talk.restart();
  await before;
  expect(talk.turns).toEqual([]);
  await talk.ask('Again?');
  expect(talk.turns).toHaveLength(1);
  expect(asked[0].session_id).toBeUndefined();
});

test('times add up and are written shortly', () => {
  expect(spent({ retrieval: 10, first_text: 400, total: 1000 })).toEqual({ retrieval: 10, waiting: 390, writing: 600 });
  expect(spent({ retrieval: 10, first_text: null, total: 30 })).toEqual({ retrieval: 10, waiting: 20, writing: 0 });
  expect([seconds(8.24), seconds(412.6), seconds(1240)]).toEqual(['8.2ms', '413ms', '1.24s']);
});

test('a call that waits is confirmed by a message that names it', async () => {
  const call = { id: 'call_1', name: 'cancel_order', title: 'Cancel', arguments: { order_id: '7' }, state: 'awaiting_confirmation' };
  const result = { tool_call_id: 'call_1', name: 'cancel_order', content: 'done', failed: false, milliseconds: 3 };
  const { ask, asked } = server(
    BEGIN + event('tool_call', call) + DONE,
    BEGIN + event('tool_call', { ...call, state: 'called' }) + event('tool_result', result) + DONE,
  );
  const talk = new Talk(ask);
  await talk.ask('Cancel order 7');
  expect(talk.waiting).toEqual(call);
  await talk.confirm('Yes');
  expect(asked[1]).toMatchObject({ session_id: 's1', confirm: { message_id: 'm1', call_id: 'call_1' } });
  expect(talk.turns[1]).toMatchObject({ calls: [{ state: 'called' }], results: [result] });
  expect(talk.waiting).toBeUndefined();
});
