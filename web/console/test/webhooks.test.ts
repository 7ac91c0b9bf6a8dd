// Webhooks: what the dialog sends, what the log shows, and what is sent again.

import type { EventType, Webhook } from '@okra/client';
import { flushSync, mount, unmount } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { speak } from '../src/lib/language.svelte';
import Deliveries from '../src/pages/webhooks/parts/Deliveries.svelte';
import { dayBefore, startOfDay } from '../src/pages/webhooks/parts/days';
import WebhookDialog from '../src/pages/webhooks/parts/WebhookDialog.svelte';

const types = [
  { name: 'message.created', description: 'A message.' },
  { name: 'lead.captured', description: 'A lead.' },
] as EventType[];
const webhook = { id: 'w1', url: 'https://hooks.example/', description: null, events: ['lead.captured'], active: true } as unknown as Webhook;

let mounted: ReturnType<typeof mount> | undefined;
let sent: [call: string, body: unknown][] = [];
let answer: (call: string) => unknown = () => ({});
beforeEach(() => {
  speak('en', []);
  sent = [];
  HTMLDialogElement.prototype.showModal ??= () => {};
  vi.stubGlobal('fetch', async (request: Request) => {
    const { pathname, search } = new URL(request.url);
    const call = `${request.method} ${pathname}${search}`;
    const text = await request.text();
    sent.push([call, text ? JSON.parse(text) : undefined]);
    return Response.json(answer(call));
  });
});
afterEach(async () => {
  if (mounted) await unmount(mounted);
  mounted = undefined;
  vi.unstubAllGlobals();
  document.body.innerHTML = '';
});

const field = (label: string) => [...document.querySelectorAll('label')].find((it) => it.textContent?.includes(label))!;
function type(selector: string, value: string): void {
  const input = document.querySelector<HTMLInputElement>(selector)!;
  input.value = value;
  input.dispatchEvent(new Event('input', { bubbles: true }));
}
const submit = () => (document.querySelector('form')!.requestSubmit(), flushSync());

test('a new webhook is told everything, and its secret is shown once', async () => {
  answer = () => ({ secret: 'whsec_abc', data: webhook });
  const onsaved = vi.fn();
  mounted = mount(WebhookDialog, { target: document.body, props: { webhook: null, types, onsaved, onclose: () => {} } });
  flushSync();
  type('input[type=url]', ' https://hooks.example/okra ');
  submit();
  await vi.waitFor(() => expect(document.body.textContent).toContain('whsec_abc'));
  expect(sent).toEqual([['POST /api/external/webhooks', { url: 'https://hooks.example/okra', description: null, events: [] }]]);
  expect(onsaved).toHaveBeenCalled();
});

test('no event at all is not taken for every event', async () => {
  const onclose = vi.fn();
  mounted = mount(WebhookDialog, { target: document.body, props: { webhook, types, onsaved: () => {}, onclose } });
  flushSync();
  const box = (name: string) => document.querySelector<HTMLInputElement>(`input[value="${name}"]`)!;
  expect([box('message.created').checked, box('lead.captured').checked]).toEqual([false, true]);
  box('lead.captured').click();
  submit();
  expect(document.querySelector('[role=alert]:not([hidden])')?.textContent).toContain('one event');
  expect(sent).toEqual([]);
  box('message.created').click();
  submit();
  await vi.waitFor(() => expect(onclose).toHaveBeenCalled());
  const input = { url: 'https://hooks.example/', description: null, events: ['message.created'], active: true };
  expect(sent).toEqual([['PATCH /api/external/webhooks/w1', input]]);
  expect(field('Everything')).toBeTruthy();
});

test('the log says why a delivery failed, and an empty one that there is nothing yet', async () => {
  const delivery = {
    id: 'd1', event_id: 'e1', event_type: 'lead.captured', state: 'failed', attempts: 10, status: 503,
    attempted_at: '2025-01-22T04:30:45Z', error: 'The endpoint answered 503.', response: null, next_at: null, created_at: '2025-01-22T04:30:45Z',
  };
  let data: unknown[] = [delivery];
  answer = () => ({ data, pagination: { page: 1, limit: 50, total: data.length, totalPages: 1 } });
  mounted = mount(Deliveries, { target: document.body, props: { webhookId: 'w1', active: true, sent: 0 } });
  await vi.waitFor(() => expect(document.querySelector('tbody')?.textContent).toContain('The endpoint answered 503.'));
  expect(document.querySelector('tbody')?.textContent).toContain('Failed');
  expect(sent[0]?.[0]).toBe('GET /api/external/webhooks/w1/deliveries?page=1&limit=50');
  await unmount(mounted);
  data = [];
  mounted = mount(Deliveries, { target: document.body, props: { webhookId: 'w1', active: false, sent: 0 } });
  await vi.waitFor(() => expect(document.body.textContent).toContain('Nothing was sent yet'));
  expect(document.body.textContent, 'what is switched off is sent nothing').not.toContain('Send all failed again');
});

test('days are those of who looks', () => {
  expect(dayBefore(new Date(2025, 2, 1, 12), 1)).toBe('2025-02-28');
  expect(dayBefore(new Date(2025, 0, 1), 7)).toBe('2024-12-25');
  expect(startOfDay('2025-01-22')).toBe(new Date(2025, 0, 22).toISOString());
  expect(startOfDay('soon')).toBe('soon');
});
