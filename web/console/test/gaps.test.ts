import { flushSync, mount, unmount } from 'svelte';
import { afterEach, expect, test, vi } from 'vitest';
import Definition from '../src/components/Definition.svelte';
import { speak } from '../src/lib/language.svelte';
import DraftDialog from '../src/pages/gaps/parts/DraftDialog.svelte';
import { daysOf, foundIn, isRead, stateOf, type Item, type Trial } from '../src/pages/gaps/parts/gaps';
import { session } from '../src/app';

let mounted: ReturnType<typeof mount> | undefined;
afterEach(async () => {
  if (mounted) await unmount(mounted);
  mounted = undefined;
  session.me = undefined;
  document.body.innerHTML = '';
  vi.unstubAllGlobals();
});

test.each([
  ['', 'open', '30'],
  ['state=resolved&days=7', 'resolved', '7'],
  ['state=lost&days=8', 'open', '30'],
  ['state=dismissed&days=366', 'dismissed', '366'],
])('the address ?%s shows what is %s within %s days', (query, state, days) => {
  const named = new URLSearchParams(query);
  expect([stateOf(named), daysOf(named)]).toEqual([state, days]);
});

test('a question finds its answer where that has a place and is likely enough', () => {
  const tried = (place: number | null, answers: boolean) => ({ question: 'Q?', place, similarity: 0.5, answers, first_title: null, first_id: null });
  expect(foundIn({ questions: [tried(1, true), tried(3, false), tried(null, true)] } as unknown as Trial)).toBe(1);
  expect(isRead({ status: 'ready' } as Item)).toBe(true);
  expect(isRead({ status: 'failed' } as Item)).toBe(false);
  expect(isRead(null)).toBe(false);
});

const settled = () => new Promise((resolve) => setTimeout(resolve));

/** A dialog over a draft, for somebody of this role; `replies` answer its calls in turn. */
function dialog(role: string, replies: Response[]) {
  speak('en', []);
  const sent: unknown[] = [];
  vi.stubGlobal('fetch', async (request: Request) => (sent.push(await request.json()), replies.shift()!));
  session.me = { person: { id: 'p', name: 'Kim', email: 'kim@example.com', language: null }, organizations: [{ id: 'o', name: 'Tea', role }] } as never;
  const [onapproved, onclose] = [vi.fn(), vi.fn()];
  const draft = { question: 'Do you ship abroad?', answer: 'To Japan.', origin: 'model', model: 'gpt', session_id: null, tokens_used: 3 };
  mounted = mount(DraftDialog, { target: document.body, props: { chatbotId: 'b', gapId: 'g', draft, onapproved, onclose } });
  flushSync();
  return { sent, onapproved, onclose };
}
const buttons = () => [...document.querySelectorAll('footer button')].map((button) => button.textContent?.trim());

test('a draft is approved as it was changed, and replaces what is there only when that was said', async () => {
  const taken = Response.json({ error: 'There is another answer.', code: 'already_answered' }, { status: 409 });
  const { sent, onapproved } = dialog('admin', [taken, Response.json({ data: {}, item: { id: 'i' } }, { status: 202 })]);
  const answer = document.querySelectorAll('textarea')[1]!;
  answer.value = 'To Japan, for 5 euros. ';
  answer.dispatchEvent(new Event('input', { bubbles: true }));
  document.querySelector('form')!.requestSubmit();
  await vi.waitFor(() => expect(document.querySelector('[role=alert]')?.textContent).toContain('another answer'));
  expect(onapproved).not.toHaveBeenCalled();
  flushSync();
  expect(buttons()).toEqual(['Discard', 'Replace the answer that is there']);
  document.querySelector('form')!.requestSubmit();
  await vi.waitFor(() => expect(onapproved).toHaveBeenCalledWith({ id: 'i' }));
  const pair = { question: 'Do you ship abroad?', answer: 'To Japan, for 5 euros.' };
  expect(sent).toEqual([{ ...pair, replace: false }, { ...pair, replace: true }]);
});

test('whoever is no admin reads a draft and cannot approve it', async () => {
  const { sent } = dialog('agent', []);
  expect(buttons()).toEqual(['Discard']);
  document.querySelector('form')!.requestSubmit();
  await settled();
  expect(sent).toEqual([]);
});

test('a definition is heard with its button, shown while that has the focus, and taken away by Escape', () => {
  speak('en', []);
  mounted = mount(Definition, { target: document.body, props: { name: 'Questions', text: 'What visitors asked.' } });
  flushSync();
  const button = document.querySelector('button')!;
  const text = document.getElementById(button.getAttribute('aria-describedby')!)!;
  expect(button.ariaLabel).toBe('What “Questions” means');
  expect([text.textContent, text.hidden]).toEqual(['What visitors asked.', true]);
  button.focus();
  flushSync();
  expect(text.hidden).toBe(false);
  button.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
  flushSync();
  expect(text.hidden).toBe(true);
});
