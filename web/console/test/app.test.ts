// The console as a whole, over a server that a test plays.

import type { Me, Role } from '@okra/client';
import { flushSync, mount, unmount } from 'svelte';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import App from '../src/App.svelte';
import { chatbots, events, router, session, toasts } from '../src/app';

type Answer = Response | undefined;
let answer: (call: string) => Answer;
let app: ReturnType<typeof mount> | undefined;

const refused = (status: number, code: string) => Response.json({ error: 'No.', code }, { status });
const me = (role: Role): Me => ({
  person: { id: 'p', name: 'Kim', email: 'kim@example.com', language: 'en' },
  organizations: [{ id: 'o', name: 'Tea shop', role }],
});
const heading = () => document.querySelector('h1')?.textContent;
const shows = (title: string) => vi.waitFor(() => expect(heading()).toBe(title), 5000);
const tabs = () => [...document.querySelectorAll('nav[aria-label="Pages of the settings"] a')].map((tab) => tab.textContent);

beforeAll(() => {
  window.scrollTo = () => {};
  router.start();
});
beforeEach(() => {
  vi.stubGlobal('fetch', async (request: Request) => {
    const call = `${request.method} ${new URL(request.url).pathname}`;
    // Nothing happens in these organizations.
    if (call.endsWith('/events')) return new Promise<Response>(() => {});
    return answer(call) ?? refused(404, 'not_found');
  });
});
afterEach(async () => {
  if (app) await unmount(app);
  events.stop();
  session.me = undefined;
  chatbots.list.clear();
  for (const { id } of toasts.list) toasts.close(id);
  vi.unstubAllGlobals();
});

async function open(path: string): Promise<void> {
  await router.go(path, { unguarded: true });
  app = mount(App, { target: document.body });
  flushSync();
}
function type(selector: string, value: string): void {
  const input = document.querySelector<HTMLInputElement>(selector)!;
  input.value = value;
  input.dispatchEvent(new Event('input', { bubbles: true }));
}

test('who is not signed in signs in, and comes back to where they wanted to be', async () => {
  let signedIn = false;
  answer = (call) => {
    if (call === 'POST /api/account/sign-in') signedIn = true;
    else if (!signedIn) return refused(401, 'unauthorized');
    if (call.includes('/api/account')) return Response.json(me('admin'));
    if (call.endsWith('/keys')) return Response.json({ data: [] });
    return undefined;
  };
  await open('/settings/keys?from=docs');
  await shows('Sign in');
  expect(router.url.pathname + router.url.search).toBe('/sign-in?next=%2Fsettings%2Fkeys%3Ffrom%3Ddocs');
  type('input[type=email]', 'kim@example.com');
  type('input[type=password]', 'four green teapots');
  document.querySelector('form')!.requestSubmit();
  await shows('API keys');
  expect(router.url.pathname + router.url.search).toBe('/settings/keys?from=docs');

  // The session ends while they work: the next call leads back to signing in.
  signedIn = false;
  await chatbots.list.reload();
  await shows('Sign in');
});

test('a wrong password says so and leads nowhere', async () => {
  answer = (call) =>
    call.endsWith('sign-in')
      ? Response.json({ error: 'E-mail address and password do not fit.', code: 'sign_in_failed' }, { status: 401 })
      : refused(401, 'unauthorized');
  await open('/sign-in');
  await shows('Sign in');
  type('input[type=email]', 'kim@example.com');
  type('input[type=password]', 'wrong');
  document.querySelector('form')!.requestSubmit();
  await vi.waitFor(() => expect(document.querySelector('[role=alert]')?.textContent).toContain('do not fit'));
  expect(heading()).toBe('Sign in');
});

test.each<[Role, string, string[]]>([
  ['owner', 'API keys', ['Organization', 'People', 'API keys', 'Tools', 'Webhooks', 'Model providers', 'Usage and health']],
  ['admin', 'API keys', ['Organization', 'People', 'API keys', 'Tools', 'Webhooks', 'Model providers', 'Usage and health']],
  ['agent', 'This page is not for your role', []],
  ['viewer', 'This page is not for your role', []],
])('%s who opens the keys sees “%s”', async (role, title, expected) => {
  answer = (call) => {
    if (call === 'GET /api/account') return Response.json(me(role));
    return call.endsWith('/keys') ? Response.json({ data: [] }) : undefined;
  };
  await open('/settings/keys');
  await shows(title);
  expect(tabs()).toEqual(expected);
});

test('an address that is no page says so', async () => {
  answer = (call) => (call === 'GET /api/account' ? Response.json(me('viewer')) : undefined);
  await open('/settings/nothing');
  await shows('There is no such page');
});

test('a server that cannot be reached is no reason to sign in', async () => {
  let away = true;
  answer = (call) => {
    if (away) throw new TypeError('fetch failed');
    return call === 'GET /api/account' ? Response.json(me('viewer')) : undefined;
  };
  await open('/settings/organization');
  await vi.waitFor(() => expect(document.querySelector('[role=alert]')?.textContent).toContain('cannot be reached'));
  away = false;
  [...document.querySelectorAll('button')].find(({ textContent }) => textContent?.trim() === 'Try again')!.click();
  await shows('Organization');
});

test('who belongs to no organization is told what to do', async () => {
  answer = (call) => (call === 'GET /api/account' ? Response.json({ ...me('viewer'), organizations: [] }) : undefined);
  await open('/settings/usage');
  await shows('You belong to no organization');
});
