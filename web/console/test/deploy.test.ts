// Sites are allowed in one step, and what is wrong with one is said where it was typed.

import { ApiError } from '@okra/client';
import { flushSync, mount, unmount } from 'svelte';
import { afterEach, expect, test, vi } from 'vitest';
import Origins from '../src/pages/deploy/parts/Origins.svelte';
import { asking, PROGRAMS } from '../src/pages/deploy/parts/snippets';

let mounted: ReturnType<typeof mount> | undefined;
afterEach(async () => {
  if (mounted) await unmount(mounted);
  mounted = undefined;
  document.body.innerHTML = '';
});

function show(allow: (origins: string[]) => Promise<void>, may = true): void {
  mounted = mount(Origins, { target: document.body, props: { origins: ['https://shop.example'], may, allow } });
  flushSync();
}
function add(site: string): void {
  const input = document.querySelector('input')!;
  input.value = site;
  input.dispatchEvent(new Event('input', { bubbles: true }));
  flushSync();
  document.querySelector('form')!.requestSubmit();
  flushSync();
}
const fault = (): string | null | undefined => document.querySelector('[aria-live]')?.textContent;

test('a pasted address is added as the site that it is on', async () => {
  const allow = vi.fn(async () => {});
  show(allow);
  add('https://www.shop.example/cart?id=1');
  expect(allow).toHaveBeenCalledWith(['https://shop.example', 'https://www.shop.example']);
  await vi.waitFor(() => expect(document.querySelector('input')?.value).toBe(''));
});

test('what the server says of a site stands at the field, and what was typed stays', async () => {
  const problem = 'must name a domain after *., such as https://*.shop.example';
  show(async () => {
    throw new ApiError('invalid_request', 'Invalid.', 400, [{ field: 'allowed_origins[1]', problem }]);
  });
  add('https://*.com');
  await vi.waitFor(() => expect(fault()).toBe(problem));
  const input = document.querySelector('input')!;
  expect(input.value).toBe('https://*.com');
  expect(input.getAttribute('aria-invalid')).toBe('true');
  expect(document.querySelector('[role=alert]'), 'it is said once').toBeNull();
});

test('a site that is allowed already is not sent again', () => {
  const allow = vi.fn(async () => {});
  show(allow);
  add('shop.example');
  expect(fault()).toContain('is allowed already');
  expect(allow).not.toHaveBeenCalled();
});

test('a site is taken away; who may not do that sees no way to', () => {
  const allow = vi.fn(async () => {});
  show(allow);
  document.querySelector<HTMLElement>('[aria-label="Remove https://shop.example"]')!.click();
  expect(allow).toHaveBeenCalledWith([]);
  void unmount(mounted!);
  document.body.innerHTML = '';
  show(allow, false);
  expect(document.querySelector('button, input')).toBeNull();
  expect(document.body.textContent).toContain('https://shop.example');
});

test.each(PROGRAMS)('the program in %s names the chatbot and the server, and holds no key', (program) => {
  const code = asking('https://chat.example', 'b1', 'How do I return it?')[program];
  expect(code).toContain('https://chat.example/api/external/chatbot/b1/chat');
  expect(code).toContain('OKRA_KEY');
  expect(code).not.toMatch(/[\da-f]{48}/);
});
