// Tools: what the dialogs send, and that a header's value is never needed twice.

import type { Tool, ToolServer } from '@okra/client';
import { flushSync, mount, unmount } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { speak } from '../src/lib/language.svelte';
import { headersIn, linesOf } from '../src/pages/tools/parts/headers';
import ImportDialog from '../src/pages/tools/parts/ImportDialog.svelte';
import ServerDialog from '../src/pages/tools/parts/ServerDialog.svelte';
import ToolDialog from '../src/pages/tools/parts/ToolDialog.svelte';

const tool = {
  name: 'get_order', title: 'Look an order up', description: 'Gives its state.', method: 'GET', url: 'https://api.shop.example/orders/{id}',
  parameters: { type: 'object', properties: { id: { type: 'string' } } }, query: [], confirm: false, headers: ['authorization'],
} as unknown as Tool;

let mounted: ReturnType<typeof mount> | undefined;
let sent: [call: string, body: any][] = [];
let answer: (call: string) => unknown = () => ({});
beforeEach(() => {
  speak('en', []);
  sent = [];
  HTMLDialogElement.prototype.showModal ??= () => {};
  vi.stubGlobal('fetch', async (request: Request) => {
    const { pathname } = new URL(request.url);
    const call = `${request.method} ${pathname}`;
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

function control(label: string): HTMLInputElement {
  const found = [...document.querySelectorAll('label')].find((it) => it.textContent?.trim().startsWith(label))!;
  return document.getElementById(found.htmlFor) as HTMLInputElement;
}
function type(label: string, value: string): void {
  const input = control(label);
  input.value = value;
  input.dispatchEvent(new Event('input', { bubbles: true }));
}
const submit = () => (document.querySelector('form')!.requestSubmit(), flushSync());

test('headers are lines, and the ones that stay have no value', () => {
  expect(linesOf(['authorization', 'x-key'])).toBe('authorization: …\nx-key: …');
  expect(headersIn('authorization: …\n\nX-Url: https://a.example:8080/x ')).toEqual({ authorization: null, 'X-Url': 'https://a.example:8080/x' });
  expect(headersIn(linesOf(['a']))).toEqual({ a: null });
  expect(headersIn('')).toEqual({});
});

test('a tool that is changed keeps what was not touched', async () => {
  answer = () => ({ data: tool });
  const onsaved = vi.fn();
  mounted = mount(ToolDialog, { target: document.body, props: { tool, onsaved, onclose: () => {} } });
  flushSync();
  type('What it does', 'Gives the state of an order.');
  submit();
  await vi.waitFor(() => expect(onsaved).toHaveBeenCalled());
  const { name, ...kept } = tool;
  expect(sent).toEqual([['PUT /api/external/tools/get_order', { ...kept, description: 'Gives the state of an order.', headers: { authorization: null } }]]);
});

test('arguments that are no JSON are not sent', () => {
  mounted = mount(ToolDialog, { target: document.body, props: { tool, onsaved: () => {}, onclose: () => {} } });
  flushSync();
  type('Arguments', '{');
  submit();
  expect(document.body.textContent).toContain('This is no JSON.');
  expect(sent).toEqual([]);
});

test('of a document only what was chosen is kept, with its headers', async () => {
  const draft = { name: 'get_order', title: 'Get', description: 'x', method: 'GET', url: 'https://a.example', parameters: {}, query: [], confirm: false };
  answer = (call) => (call.startsWith('POST')
    ? { data: [{ ...draft, needs_headers: ['x-key'] }, { ...draft, name: 'other', needs_headers: [] }], skipped: [{ operation: 'GET /x', reason: 'why' }] }
    : { data: tool });
  const onsaved = vi.fn();
  mounted = mount(ImportDialog, { target: document.body, props: { onsaved, onclose: () => {} } });
  flushSync();
  type('Document', '{"openapi": "3.1.0"}');
  submit();
  await vi.waitFor(() => expect(document.body.textContent).toContain('GET /x'));
  document.querySelector<HTMLInputElement>('input[value=get_order]')!.click();
  flushSync();
  type('Value of the header x-key', 'secret');
  submit();
  await vi.waitFor(() => expect(onsaved).toHaveBeenCalled());
  expect(sent.slice(1)).toEqual([['PUT /api/external/tools/get_order', { ...draft, name: undefined, headers: { 'x-key': 'secret' } }].map((it) => JSON.parse(JSON.stringify(it)))]);
});

const choose = (label: string, value: string): void => {
  const select = control(label);
  select.value = value;
  select.dispatchEvent(new Event('change', { bubbles: true }));
  flushSync();
};
const withServer = (server: ToolServer | null, commands: string[], onsaved = vi.fn()) => {
  mounted = mount(ServerDialog, { target: document.body, props: { server, commands, onsaved, onclose: () => {} } });
  flushSync();
  return onsaved;
};

test('commands are offered where some are allowed, and are chosen by name alone', async () => {
  withServer(null, []);
  expect(document.querySelector('select')).toBeNull();
  await unmount(mounted!);
  const onsaved = withServer(null, ['crm', 'notes']);
  type('Name', 'ours');
  choose('Reached by', 'command');
  expect([...document.querySelectorAll('label')].map((it) => it.textContent?.trim())).not.toContain('Address');
  choose('Command', 'notes');
  answer = () => ({ data: {} });
  submit();
  await vi.waitFor(() => expect(onsaved).toHaveBeenCalled());
  expect(sent).toEqual([['PUT /api/external/tool-servers/ours', { command: 'notes', unconfirmed: [] }]]);
});

test('a command that is not allowed any more says so where it is chosen', async () => {
  const server = { name: 'ours', url: null, command: 'crm', headers: [], unconfirmed: ['find'], tools: [] } as unknown as ToolServer;
  const problem = 'crm is no command that is allowed';
  vi.stubGlobal('fetch', async () => Response.json({ error: 'command', code: 'invalid_request', details: [{ field: 'command', problem }] }, { status: 400 }));
  const onsaved = withServer(server, ['notes']);
  expect(control('Command').value).toBe('crm');
  submit();
  await vi.waitFor(() => expect(document.body.textContent).toContain(problem));
  expect(document.getElementById(control('Command').getAttribute('aria-describedby')!.split(' ').at(-1)!)?.textContent).toContain(problem);
  expect(onsaved).not.toHaveBeenCalled();
});
