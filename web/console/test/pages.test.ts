import type { LinkShown } from '@okra/client';
import { flushSync, mount, unmount } from 'svelte';
import { afterEach, expect, test, vi } from 'vitest';
import { speak } from '../src/lib/language.svelte';
import LinkForm from '../src/pages/account/parts/LinkForm.svelte';
import { nextPage } from '../src/pages/account/parts/next';
import { duration } from '../src/pages/settings/parts/duration';
import { grantable } from '../src/pages/settings/parts/roles';

afterEach(() => {
  vi.unstubAllGlobals();
  document.body.innerHTML = '';
});

test.each([
  ['/sign-in', '/'],
  ['/sign-in?next=%2Fchatbots%2F7%3Fstatus%3Dready', '/chatbots/7?status=ready'],
  ['/sign-in?next=https%3A%2F%2Felsewhere.example%2F', '/'],
  ['/sign-in?next=%2F%2Felsewhere.example%2Fa', '/'],
  ['/sign-in?next=%5C%5Celsewhere.example', '/'],
  ['/sign-in?next=javascript%3Aalert(1)', '/'],
])('%s leads to %s', (address, expected) => {
  expect(nextPage(new URL(address, 'http://okra.test'))).toBe(expected);
});

test.each([
  [0, '0 min'],
  [59, '0 min'],
  [3_600, '1 h 0 min'],
  [93_784, '1 d 2 h'],
  [86_400 * 40, '40 d 0 h'],
])('%i seconds are %s', (seconds, expected) => {
  const units = { days: (n: string) => `${n} d`, hours: (n: string) => `${n} h`, minutes: (n: string) => `${n} min` };
  expect(duration(seconds, units)).toBe(expected);
});

test('owners give every role, admins those below, others none', () => {
  expect(grantable('owner')).toEqual(['owner', 'admin', 'agent', 'viewer']);
  expect(grantable('admin')).toEqual(['admin', 'agent', 'viewer']);
  expect(grantable('agent')).toEqual([]);
  expect(grantable(undefined)).toEqual([]);
});

const link = (more: Partial<LinkShown>): LinkShown => ({ kind: 'setup', organization: null, email: null, has_account: false, ...more });

test.each([
  ['a set-up', link({}), ['Organization', 'Your name', 'E-mail address', 'Password']],
  ['an invitation', link({ kind: 'invitation', organization: 'Tea', email: 'kim@example.com' }), ['Your name', 'Password']],
  ['an invitation of someone known', link({ kind: 'invitation', organization: 'Tea', email: 'kim@example.com', has_account: true }), ['Password']],
  ['a reset', link({ kind: 'reset', email: 'kim@example.com', has_account: true }), ['Password']],
])('%s asks for what it needs and no more', async (_, shown, expected) => {
  speak('en', []);
  const form = mount(LinkForm, { target: document.body, props: { token: 'abc', link: shown, onentered: () => {} } });
  flushSync();
  expect([...document.querySelectorAll('label')].map((label) => label.textContent)).toEqual(expected);
  await unmount(form);
});

test('a link is used with what was typed, and enters', async () => {
  speak('en', []);
  const me = { person: { id: 'p', name: 'Kim', email: 'kim@example.com', language: null }, organizations: [] };
  const sent: unknown[] = [];
  vi.stubGlobal('fetch', async (request: Request) => (sent.push([new URL(request.url).pathname, await request.json()]), Response.json(me)));
  const onentered = vi.fn();
  const props = { token: 'abc', link: link({ kind: 'invitation', organization: 'Tea', email: 'kim@example.com' }), onentered };
  const form = mount(LinkForm, { target: document.body, props });
  flushSync();
  for (const [at, value] of [' Kim ', 'four green teapots'].entries()) {
    const input = document.querySelectorAll<HTMLInputElement>('input:not([hidden])')[at]!;
    input.value = value;
    input.dispatchEvent(new Event('input', { bubbles: true }));
  }
  document.querySelector('form')!.requestSubmit();
  await vi.waitFor(() => expect(onentered).toHaveBeenCalledWith(me));
  expect(sent).toEqual([['/api/account/links/accept', { token: 'abc', password: 'four green teapots', name: 'Kim' }]]);
  await unmount(form);
});
