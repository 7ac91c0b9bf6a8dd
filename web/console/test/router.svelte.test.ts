import { flushSync } from 'svelte';
import { afterEach, expect, test, vi } from 'vitest';
import { Router, fill, match } from '../src/lib/router.svelte';

const PATHS = {
  home: '/',
  bots: '/bots',
  fresh: '/bots/new',
  bot: '/bots/:bot',
  item: '/bots/:bot/items/:item',
} as const;

test.each([
  ['/', 'home', {}],
  ['/bots', 'bots', {}],
  ['/bots/', 'bots', {}],
  ['/bots/new', 'fresh', {}],
  ['/bots/7', 'bot', { bot: '7' }],
  ['/bots/a%20b%2Fc/items/9', 'item', { bot: 'a b/c', item: '9' }],
])('%s is %s', (path, name, parameters) => {
  expect(match(PATHS, path)).toEqual({ name, parameters });
});

test.each(['/bot', '/bots/7/8', '/bots//items/9', '/bots/%E0%A4%A', '/Bots'])('%s is no page', (path) => {
  expect(match(PATHS, path)).toBeUndefined();
});

test('a path is filled with what it names, escaped', () => {
  expect(fill(PATHS.item, { bot: 'a b/c', item: '9' })).toBe('/bots/a%20b%2Fc/items/9');
});

let listening = new AbortController();
afterEach(() => {
  listening.abort();
  listening = new AbortController();
});

/** The only router that listens. */
function open(path = '/') {
  history.pushState(null, '', path);
  const { signal } = listening;
  const addEventListener: Window['addEventListener'] = (type: string, hear: EventListenerOrEventListenerObject) =>
    window.addEventListener(type, hear, { signal });
  const router = new Router(PATHS, { history, location, addEventListener, scrollTo: vi.fn() });
  router.start();
  return router;
}
const popped = () => new Promise<void>((resolve) => window.addEventListener('popstate', () => setTimeout(resolve), { once: true }));

test('it goes to pages, and knows that the focus has to follow', async () => {
  const router = open();
  expect(router.match?.name).toBe('home');
  expect(router.moved).toBe(false);
  await router.go(router.href('item', { bot: '7', item: '9' }));
  expect(router.match).toEqual({ name: 'item', parameters: { bot: '7', item: '9' } });
  expect(router.moved).toBe(true);
  const back = popped();
  history.back();
  await back;
  expect(router.match?.name).toBe('home');
});

test('an effect that goes elsewhere runs once', () => {
  const router = open();
  const run = vi.fn(() => void router.go('/bots', { replace: true, unguarded: true }));
  const stop = $effect.root(() => {
    $effect(run);
  });
  flushSync();
  flushSync();
  stop();
  expect(run).toHaveBeenCalledOnce();
  expect(router.match?.name).toBe('bots');
});

test('filters change the address without a step in the history', () => {
  const router = open('/bots?status=ready');
  const before = history.length;
  router.query({ search: 'tea pot', status: undefined });
  expect(router.url.search).toBe('?search=tea+pot');
  expect(history.length).toBe(before);
});

test('a guard keeps the page until it is left on purpose', async () => {
  const router = open('/bots');
  let leave = false;
  const guard = vi.fn(() => leave);
  router.guard(guard);
  expect(await router.go('/bots/7')).toBe(false);
  expect(router.match?.name).toBe('bots');
  leave = true;
  expect(await router.go('/bots/7')).toBe(true);
  expect(guard).toHaveBeenCalledTimes(2);
  // It belonged to the page that was left.
  expect(await router.go('/bots')).toBe(true);
  expect(guard).toHaveBeenCalledTimes(2);
});

test('a guard that is taken away is asked no more', async () => {
  const router = open('/bots');
  router.guard(() => false)();
  expect(await router.go('/bots/7')).toBe(true);
});

test('going back from a guarded page asks on that page', async () => {
  const router = open('/bots');
  await router.go('/bots/7');
  const answers: ((leave: boolean) => void)[] = [];
  const asked = () => vi.waitFor(() => expect(answers).toHaveLength(1));
  router.guard(() => new Promise((answer) => answers.push(answer)));
  history.back();
  await asked();
  expect(location.pathname).toBe('/bots/7');
  answers.pop()?.(false);
  await Promise.resolve();
  expect(router.match?.name).toBe('bot');
  history.back();
  await asked();
  const left = popped();
  answers.pop()?.(true);
  await left;
  expect(router.match?.name).toBe('bots');
});

test('plain clicks on links of ours need no new page, others are left to the browser', async () => {
  const router = open();
  const click = (html: string, how: MouseEventInit = {}): boolean => {
    document.body.innerHTML = html;
    const link = document.querySelector('a')?.firstElementChild ?? document.querySelector('a');
    // Whoever would leave for another page is stopped here, as jsdom has none.
    let taken = false;
    window.addEventListener('click', (event) => ((taken = event.defaultPrevented), event.preventDefault()), { once: true });
    link?.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, button: 0, ...how }));
    return taken;
  };
  expect(click('<a href="/bots"><b>Bots</b></a>')).toBe(true);
  await vi.waitFor(() => expect(router.match?.name).toBe('bots'));
  expect(click('<a href="/bots/7">Bot</a>', { ctrlKey: true })).toBe(false);
  expect(click('<a href="/docs">Reference</a>')).toBe(false);
  expect(click('<a href="/bots/7" target="_blank">Bot</a>')).toBe(false);
  expect(click('<a href="/bots/7" download>Bot</a>')).toBe(false);
  expect(click('<a href="https://elsewhere.example/bots">Bots</a>')).toBe(false);
  expect(router.match?.name).toBe('bots');
});
