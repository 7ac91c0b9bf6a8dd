import { ApiError, client } from '@okra/client';
import { afterEach, expect, test, vi } from 'vitest';
import { Action } from '../src/lib/action.svelte';
import { Draft, equal } from '../src/lib/draft.svelte';
import { Resource } from '../src/lib/resource.svelte';
import { Session } from '../src/lib/session.svelte';
import { ThemeChoice } from '../src/lib/theme.svelte';
import { bytes, relative } from '../src/lib/time.svelte';
import { STAYS, Toasts } from '../src/lib/toasts.svelte';
import { visible } from '../src/lib/virtual';

afterEach(() => {
  vi.useRealTimers();
  localStorage.clear();
});

function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (fault: unknown) => void;
  const promise = new Promise<T>((done, failed) => ((resolve = done), (reject = failed)));
  return { promise, resolve, reject };
}

test('a resource keeps what it has while it loads anew, and the latest load wins', async () => {
  const loads = [deferred<string>(), deferred<string>()];
  const signals: AbortSignal[] = [];
  let next = 0;
  const resource = new Resource((signal) => (signals.push(signal), loads[next++]!.promise));
  const first = resource.reload();
  expect(resource.loading).toBe(true);
  const second = resource.reload();
  expect(signals[0]?.aborted).toBe(true);
  loads[1]!.resolve('new');
  await second;
  loads[0]!.resolve('old');
  await first;
  expect(resource.data).toBe('new');
  expect(resource.loading).toBe(false);
});

test('a resource that cannot be loaded says why, and forgets it once it can', async () => {
  const answers = [Promise.reject(new ApiError('not_found', 'Gone.', 404)), Promise.resolve('there')];
  const resource = new Resource(() => answers.shift()!);
  await resource.reload();
  expect(resource.error?.message).toBe('Gone.');
  await resource.reload();
  expect(resource.error).toBeUndefined();
  expect(resource.data).toBe('there');
});

test('an action is done once at a time, and names the fields at fault', async () => {
  const doing = deferred<void>();
  const act = vi.fn(() => doing.promise);
  const action = new Action(act);
  const first = action.run();
  expect(await action.run()).toBe(false);
  expect(act).toHaveBeenCalledOnce();
  doing.reject(new ApiError('invalid_request', 'Check.', 400, [{ field: 'name', problem: 'is empty' }]));
  expect(await first).toBe(false);
  expect(action.pending).toBe(false);
  expect(action.problem('name')).toBe('is empty');
  expect(action.general('name')).toBeUndefined();
  expect(action.general('slug')?.message).toBe('Check.');
});

test('a draft knows what differs from what was saved', () => {
  const draft = new Draft<{ name: string; look: { colour: string; size?: number } }>({ name: 'Tea', look: { colour: 'red' } });
  expect(draft.dirty).toBe(false);
  draft.value.look.colour = 'green';
  expect(draft.dirty).toBe(true);
  expect(draft.changes()).toEqual({ look: { colour: 'green' } });
  draft.value.look.colour = 'red';
  expect(draft.dirty).toBe(false);
  draft.value.name = 'Coffee';
  draft.reset();
  expect(draft.value.name).toBe('Tea');
  draft.value.name = 'Coffee';
  draft.saved({ name: 'Coffee', look: { colour: 'red' } });
  expect(draft.dirty).toBe(false);
});

test.each([
  [{ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 }, true],
  [{ a: undefined }, {}, true],
  [[1, 2], [2, 1], false],
  [[], {}, false],
  [null, {}, false],
  [{ a: { b: 1 } }, { a: { b: 2 } }, false],
])('%j and %j are equal: %s', (a, b, expected) => {
  expect(equal(a, b)).toBe(expected);
});

test('notes of success go by themselves, those of failure stay', () => {
  vi.useFakeTimers();
  const toasts = new Toasts();
  toasts.done('Saved');
  toasts.failed('Not saved');
  toasts.failed('Not saved');
  expect(toasts.list.map(({ text }) => text)).toEqual(['Saved', 'Not saved']);
  vi.advanceTimersByTime(STAYS);
  expect(toasts.list.map(({ text }) => text)).toEqual(['Not saved']);
  toasts.close(toasts.list[0]!.id);
  expect(toasts.list).toEqual([]);
});

test('the theme is kept, and the system decides where none is chosen', () => {
  const root = document.createElement('html');
  new ThemeChoice(root, localStorage).choose('dark');
  const again = new ThemeChoice(root, localStorage);
  expect([again.value, root.dataset['theme']]).toEqual(['dark', 'dark']);
  again.choose('system');
  expect(root.dataset['theme']).toBeUndefined();
  localStorage.setItem('okra-theme', 'plaid');
  expect(new ThemeChoice(root, localStorage).value).toBe('system');
});

test('a session knows the organization and what its role allows', async () => {
  const me = {
    person: { id: 'p', name: 'Kim', email: 'kim@example.com', language: null },
    organizations: [
      { id: 'a', name: 'Tea', role: 'viewer' },
      { id: 'b', name: 'Coffee', role: 'admin' },
    ],
  };
  const fetch = vi.fn(async () => Response.json(me));
  const api = client({ base: 'http://okra.test', fetch: fetch as unknown as typeof globalThis.fetch });
  const session = new Session(api, localStorage);
  expect(session.may('viewer')).toBe(false);
  await session.load();
  expect(session.organization?.name).toBe('Tea');
  expect([session.may('viewer'), session.may('agent')]).toEqual([true, false]);
  session.choose('b');
  expect([session.may('admin'), session.may('owner')]).toEqual([true, false]);
  // Kept for the next visit; one that the person has left does not count.
  const next = new Session(api, localStorage);
  await next.load();
  expect(next.organization?.id).toBe('b');
  localStorage.setItem('okra-organization', 'gone');
  const other = new Session(api, localStorage);
  await other.load();
  expect(other.organization?.id).toBe('a');
});

test.each([
  [0, 'now'],
  [-59, 'now'],
  [-60, '1 minute ago'],
  [-7200, '2 hours ago'],
  [-86_400, 'yesterday'],
  [-1_209_600, '2 weeks ago'],
  [3 * 86_400, 'in 3 days'],
])('%i seconds are %s', (seconds, expected) => {
  const now = new Date('2026-01-01T12:00:00Z');
  expect(relative(new Date(now.getTime() + seconds * 1000), now)).toBe(expected);
});

test.each([
  [0, '0 byte'],
  [999, '999 byte'],
  [1_000, '1 kB'],
  [1_234_567, '1.2 MB'],
  [5e15, '5,000 TB'],
])('%d bytes are %s', (size, expected) => {
  expect(bytes(size)).toBe(expected);
});

test('of a long list only the rows in sight are drawn', () => {
  expect(visible(10_000, 50, 0, 500, 2)).toEqual({ from: 0, to: 12, offset: 0, height: 500_000 });
  expect(visible(10_000, 50, 250_000, 500, 2)).toEqual({ from: 4998, to: 5012, offset: 249_900, height: 500_000 });
  expect(visible(10_000, 50, 499_500, 500, 2)).toMatchObject({ from: 9988, to: 10_000 });
  expect(visible(0, 50, 0, 500)).toEqual({ from: 0, to: 0, offset: 0, height: 0 });
  // A list that shrank while it was scrolled down.
  expect(visible(3, 50, 250_000, 500, 2)).toMatchObject({ from: 2, to: 3 });
});
