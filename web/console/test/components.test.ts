import { createRawSnippet, flushSync, mount, unmount, type Component } from 'svelte';
import { afterEach, expect, test, vi } from 'vitest';
import { ApiError } from '@okra/client';
import Confirm from '../src/components/Confirm.svelte';
import Dialog from '../src/components/Dialog.svelte';
import Menu from '../src/components/Menu.svelte';
import TextField from '../src/components/TextField.svelte';
import VirtualList from '../src/components/VirtualList.svelte';

let mounted: ReturnType<typeof mount> | undefined;
afterEach(async () => {
  if (mounted) await unmount(mounted);
  mounted = undefined;
  document.body.innerHTML = '';
});

function show<Props extends Record<string, any>>(component: Component<Props, any, any>, props: Props): void {
  mounted = mount(component, { target: document.body, props });
  flushSync();
}
const text = (html: string) => createRawSnippet(() => ({ render: () => `<span>${html}</span>` }));
const find = <E extends Element>(selector: string): E => {
  const found = document.querySelector<E>(selector);
  if (!found) throw new Error(`there is no ${selector} in ${document.body.innerHTML}`);
  return found;
};
const button = (word: string) => {
  const found = [...document.querySelectorAll('button')].find((candidate) => candidate.textContent?.includes(word) || candidate.ariaLabel === word);
  if (!found) throw new Error(`there is no button ${word}`);
  return found;
};
function type(input: HTMLInputElement, value: string): void {
  input.value = value;
  input.dispatchEvent(new Event('input', { bubbles: true }));
  flushSync();
}

test('a field ties label, hint and error to what is typed in', () => {
  show(TextField, { label: 'Name', value: '', hint: 'Yours.', error: 'It is empty.' });
  const input = find<HTMLInputElement>('input');
  expect(input.labels?.[0]?.textContent).toBe('Name');
  const described = input.getAttribute('aria-describedby')!.split(' ').map((id) => document.getElementById(id)?.textContent);
  expect(described).toEqual(['Yours.', 'It is empty.']);
  expect(input.getAttribute('aria-invalid')).toBe('true');
});

test('a field without a fault claims none', () => {
  show(TextField, { label: 'Name', value: '' });
  const input = find('input');
  expect(input.hasAttribute('aria-invalid')).toBe(false);
  expect(input.hasAttribute('aria-describedby')).toBe(false);
});

test('a password is hidden until it is asked for', () => {
  show(TextField, { label: 'Password', value: 'secret', type: 'password' });
  expect(find<HTMLInputElement>('input').type).toBe('password');
  button('Show').click();
  flushSync();
  expect(find<HTMLInputElement>('input').type).toBe('text');
  expect(button('Hide').getAttribute('aria-pressed')).toBe('true');
});

test('a dialog has its title for a name, and both ways to close it say so', () => {
  const onclose = vi.fn();
  show(Dialog, { title: 'Rename', children: text('…'), onclose });
  const dialog = find<HTMLDialogElement>('dialog');
  expect(dialog.open).toBe(true);
  expect(document.getElementById(dialog.getAttribute('aria-labelledby')!)?.textContent).toBe('Rename');
  button('Close').click();
  const escape = new Event('cancel', { cancelable: true });
  dialog.dispatchEvent(escape);
  expect(onclose).toHaveBeenCalledTimes(2);
  // Whoever shows it decides when it goes.
  expect(escape.defaultPrevented).toBe(true);
});

test('what cannot be undone is done once the name is typed, and only then', async () => {
  const onconfirm = vi.fn(async () => {});
  const onclose = vi.fn();
  show(Confirm, { title: 'Delete?', children: text('All of it.'), action: 'Delete', name: 'Tea shop', onconfirm, onclose });
  const form = find<HTMLFormElement>('form');
  expect(button('Delete').disabled).toBe(true);
  type(find('input'), 'tea shop');
  form.requestSubmit();
  expect(onconfirm).not.toHaveBeenCalled();
  type(find('input'), 'Tea shop ');
  expect(button('Delete').disabled).toBe(false);
  form.requestSubmit();
  await vi.waitFor(() => expect(onclose).toHaveBeenCalledOnce());
  expect(onconfirm).toHaveBeenCalledOnce();
});

test('a confirmation that failed stays open and says why', async () => {
  const onclose = vi.fn();
  const onconfirm = () => Promise.reject(new ApiError('conflict', 'It is in use.', 409));
  show(Confirm, { title: 'Delete?', children: text('…'), action: 'Delete', onconfirm, onclose });
  find<HTMLFormElement>('form').requestSubmit();
  await vi.waitFor(() => expect(find('[role=alert]').textContent).toContain('It is in use.'));
  expect(onclose).not.toHaveBeenCalled();
});

test('a menu is walked through with the keyboard', async () => {
  const onselect = vi.fn();
  show(Menu, { label: 'More', children: text('…'), groups: [[{ label: 'Rename', onselect }, { label: 'Duplicate' }], [{ label: 'Delete' }]] });
  const opener = button('More');
  const press = (key: string) => document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
  const focused = () => document.activeElement?.textContent?.trim();
  opener.focus();
  press('ArrowDown');
  await vi.waitFor(() => expect(focused()).toBe('Rename'));
  press('ArrowUp');
  expect(focused()).toBe('Delete');
  press('ArrowDown');
  expect(focused()).toBe('Rename');
  press('d');
  expect(focused()).toBe('Duplicate');
  press('Escape');
  flushSync();
  expect(document.activeElement).toBe(opener);
  expect(opener.getAttribute('aria-expanded')).toBe('false');
  opener.click();
  await vi.waitFor(() => expect(focused()).toBe('Rename'));
  (document.activeElement as HTMLElement).click();
  expect(onselect).toHaveBeenCalledOnce();
});

test('a long list draws few of its rows, and tells how many there are', () => {
  const rows = Array.from({ length: 10_000 }, (_, at) => `row ${at}`);
  show(VirtualList<string>, {
    rows,
    height: 40,
    key: (row) => row,
    row: createRawSnippet<[string, number]>((row) => ({ render: () => `<span>${row()}</span>` })),
    label: 'Rows',
  });
  const drawn = document.querySelectorAll('[role=listitem]');
  expect(drawn.length).toBeGreaterThan(5);
  expect(drawn.length).toBeLessThan(60);
  expect(drawn[1]?.getAttribute('aria-posinset')).toBe('2');
  expect(drawn[0]?.getAttribute('aria-setsize')).toBe('10000');
});
