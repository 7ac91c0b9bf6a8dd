// What the page of search sends for what is chosen, and what it shows of new vectors.

import { flushSync, mount, unmount } from 'svelte';
import { afterEach, expect, test, vi } from 'vitest';
import { INHERIT, choiceOf, inputOf, value, type Embedder } from '../src/pages/search/parts/embedder';
import VectorProgress from '../src/pages/search/parts/VectorProgress.svelte';

let mounted: ReturnType<typeof mount> | undefined;
afterEach(async () => {
  if (mounted) await unmount(mounted);
  mounted = undefined;
  document.body.innerHTML = '';
});

const embedder = (kind: Embedder['kind'], model: string | null, base_url: string | null = null): Embedder =>
  ({ kind, model, base_url, api_key: base_url && 'sk-…cdef', source: 'chatbot' });

test('what is chosen is what is sent, and an unchanged choice asks for the same again', () => {
  const transformer = choiceOf(embedder('transformer', 'all-MiniLM-L6-v2'), true);
  expect(inputOf(transformer)).toEqual({ kind: 'transformer', model: 'all-MiniLM-L6-v2' });
  const endpoint = choiceOf(embedder('endpoint', 'embed-1', 'https://models.example.com/v1'), true);
  // The key stays where none is typed.
  expect(inputOf(endpoint)).toEqual({ kind: 'endpoint', model: 'embed-1', base_url: 'https://models.example.com/v1' });
  expect(inputOf({ ...endpoint, api_key: ' sk-new ' })).toMatchObject({ api_key: 'sk-new' });
  expect(inputOf(choiceOf(embedder('static', null), true))).toEqual({ kind: 'static' });
});

test('who has not chosen follows, and nothing of the other’s endpoint is in the form', () => {
  const inherited = choiceOf(embedder('endpoint', 'embed-1', 'https://models.example.com/v1'), false);
  expect(inherited).toEqual({ kind: INHERIT, model: '', base_url: '', api_key: '' });
  expect(inputOf(inherited)).toBeUndefined();
  expect(value('transformer', 'e5')).not.toBe(value('static'));
});

test('new vectors are told as they come, and why they did not', async () => {
  const again = vi.fn();
  const show = (progress: object): void => {
    document.body.innerHTML = '';
    mounted = mount(VectorProgress, { target: document.body, props: { progress: progress as never, again, trying: false } });
    flushSync();
  };
  show({ status: 'embedding', done: 3, total: 12, error: null });
  expect(document.querySelector('[role=status]')?.textContent).toContain('3 of 12');
  expect(document.querySelector('progress')?.value).toBe(0.25);
  await unmount(mounted!);
  show({ status: 'failed', done: 3, total: 12, error: 'Invalid key.' });
  expect(document.body.textContent).toContain('Invalid key.');
  document.querySelector('button')?.click();
  expect(again).toHaveBeenCalledOnce();
  await unmount(mounted!);
  show({ status: 'ready', done: 0, total: 0, error: null });
  expect(document.querySelector('progress')).toBeNull();
});
