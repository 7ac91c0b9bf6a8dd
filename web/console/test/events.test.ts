import { expect, test, vi } from 'vitest';
import { Events, type Listener } from '../src/lib/events';

/** A stream that says what it is told to, and ends when it is told to. */
function stream() {
  let control!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (given) => void (control = given) });
  return {
    response: new Response(body),
    say: (text: string) => control.enqueue(new TextEncoder().encode(text)),
    end: () => control.close(),
    lose: () => control.error(new TypeError('lost')),
  };
}

/** Events over these streams, with waits that a test ends itself. */
function opened(...answers: (ReturnType<typeof stream> | Error)[]) {
  const waits: (() => void)[] = [];
  const delays: number[] = [];
  const signals: AbortSignal[] = [];
  const open = vi.fn(async (signal: AbortSignal) => {
    signals.push(signal);
    const answer = answers.shift();
    if (answer && 'response' in answer) return answer.response;
    throw answer ?? new Error('no more streams');
  });
  const events = new Events(open, (ms) => (delays.push(ms), new Promise((resolve) => waits.push(resolve))));
  const heard: unknown[] = [];
  const listener: Listener = { event: (name, data) => heard.push([name, data]), gap: () => heard.push('gap') };
  return { events, open, heard, listener, waits, delays, signals };
}

test('events reach those who listen, and a gap is told after a loss', async () => {
  const [first, second] = [stream(), stream()];
  const { events, heard, listener, waits, signals } = opened(first, second);
  const stop = events.listen(listener);
  first.say('event: knowledge\ndata: {"item_id":1}\n\n: still here\n\n');
  await vi.waitFor(() => expect(heard).toEqual([['knowledge', { item_id: 1 }]]));
  first.lose();
  await vi.waitFor(() => expect(waits).toHaveLength(1));
  waits.pop()?.();
  second.say('event: message\ndata: {}\n\n');
  await vi.waitFor(() => expect(heard.slice(1)).toEqual(['gap', ['message', {}]]));
  stop();
  expect(signals.at(-1)?.aborted).toBe(true);
});

test('a server that stays away is asked less and less often', async () => {
  const { events, listener, waits, delays, open } = opened(...Array.from({ length: 9 }, () => new TypeError('refused')));
  const stop = events.listen(listener);
  for (let tries = 1; tries <= 8; tries += 1) {
    await vi.waitFor(() => expect(waits).toHaveLength(1));
    expect(open).toHaveBeenCalledTimes(tries);
    waits.pop()?.();
  }
  expect(delays[0]).toBeLessThanOrEqual(500);
  expect(delays[5]!).toBeGreaterThan(delays[1]!);
  expect(Math.max(...delays)).toBeLessThanOrEqual(30_000);
  stop();
});

test('a listener that fails is no lost connection', async () => {
  vi.stubGlobal('reportError', vi.fn());
  const only = stream();
  const { events, heard, listener, open } = opened(only);
  events.listen({ event: () => { throw new Error('a mistake'); }, gap: () => {} });
  events.listen(listener);
  only.say('event: a\ndata: 1\n\nevent: b\ndata: 2\n\n');
  await vi.waitFor(() => expect(heard).toEqual([['a', 1], ['b', 2]]));
  expect(reportError).toHaveBeenCalledTimes(2);
  expect(open).toHaveBeenCalledOnce();
  vi.unstubAllGlobals();
  events.stop();
});

test('a server that lost count is a gap, and whether events come is known', async () => {
  const only = stream();
  const { events, heard, listener, waits } = opened(only);
  expect(events.connected).toBe(false);
  const stop = events.listen(listener);
  only.say('event: resync\ndata: {}\n\n');
  await vi.waitFor(() => expect(heard).toEqual(['gap']));
  expect(events.connected).toBe(true);
  only.lose();
  await vi.waitFor(() => expect(waits).toHaveLength(1));
  expect(events.connected).toBe(false);
  stop();
});
