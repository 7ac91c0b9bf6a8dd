// What the pages of settings send, and what they make of what is typed.

import { flushSync, mount, unmount } from 'svelte';
import { afterEach, expect, test, vi } from 'vitest';
import Choice from '../src/components/Choice.svelte';
import { contrast, hex6 } from '../src/lib/colour';
import type { ChatbotDetails } from '../src/lib/chatbots.svelte';
import { Draft } from '../src/lib/draft.svelte';
import { Crop } from '../src/pages/appearance/parts/crop.svelte';
import { behaviourOf, changeOf, moved } from '../src/pages/behaviour/parts/form';
import { usualHours, zones } from '../src/pages/behaviour/parts/office';
import Suggestions from '../src/pages/behaviour/parts/Suggestions.svelte';
import { originOf } from '../src/pages/deploy/parts/origins';
import { voiceOf } from '../src/pages/voice/parts/voice';

let mounted: ReturnType<typeof mount> | undefined;
afterEach(async () => {
  if (mounted) await unmount(mounted);
  mounted = undefined;
  document.body.innerHTML = '';
});

const details = {
  id: 'b1',
  name: 'Shop',
  description: null,
  active: true,
  is_public: false,
  suggestions: ['One?', 'Two?'],
  personality_config: { style: 'Friendly', tone: null },
  settings: { prompt: 'Help.', model: 'gpt-4o-mini', greeting: 'Hi!', isRequestUserInfoEnabled: false, isHumanHandoverEnabled: true, isRatingEnabled: false, isEmailFollowUpEnabled: false, isToolEnabled: true },
} as unknown as ChatbotDetails;

test('only what was changed is sent, so that nobody else’s change is undone', () => {
  const draft = new Draft(behaviourOf(details));
  expect(changeOf(draft.changes())).toEqual({});
  draft.value.prompt = 'Help kindly.';
  expect(changeOf(draft.changes())).toEqual({ settings: { prompt: 'Help kindly.' } });
  draft.value.style = '  ';
  draft.value.asksEmail = true;
  draft.value.mailsReplies = true;
  draft.value.suggestions = [...draft.value.suggestions].reverse().concat({ key: 2, text: ' ' });
  expect(changeOf(draft.changes())).toEqual({
    settings: { prompt: 'Help kindly.', isRequestUserInfoEnabled: true, isEmailFollowUpEnabled: true },
    personality_config: { style: null },
    suggestions: ['Two?', 'One?'],
  });
});

test('office hours are sent as a whole, and taken away by null', () => {
  const draft = new Draft(behaviourOf(details));
  draft.value.office = { timeZone: 'Asia/Seoul', hours: [{ day: 'mon', from: '09:00', to: '24:00' }], awayMessage: '내일 답해 드릴게요.' };
  draft.value.offersPerson = false;
  const { office } = draft.value;
  expect(changeOf(draft.changes())).toEqual({ settings: { officeHours: office, isHumanHandoverEnabled: false } });
  const kept = behaviourOf({ ...details, settings: { ...details.settings, officeHours: office } } as ChatbotDetails);
  expect(changeOf({ office: kept.office && null })).toEqual({ settings: { officeHours: null } });
  expect(usualHours().hours.map(({ day }) => day)).toEqual(['mon', 'tue', 'wed', 'thu', 'fri']);
  expect(zones('Asia/Okra')).toContain('Asia/Okra');
});

test('how questions are answered goes from the form to the settings and back to what is usual', () => {
  const draft = new Draft(behaviourOf(details));
  draft.value.knowledgeOnly = true;
  draft.value.verbatim = 'yes';
  draft.value.maxTokens = '400';
  draft.value.linkHosts = 'Shop.example, *.docs.example\n a.example';
  const answering = { knowledgeOnly: true, verbatim: true, maxTokens: 400, linkHosts: ['shop.example', '*.docs.example', 'a.example'] };
  expect(changeOf(draft.changes())).toEqual({ settings: { answering } });
  const kept = { ...details, settings: { ...details.settings, answering: { ...answering, followUps: false } } } as ChatbotDetails;
  const again = new Draft(behaviourOf(kept));
  expect(again.value).toMatchObject({ knowledgeOnly: true, verbatim: 'yes', followUps: false, maxTokens: '400', linkHosts: 'shop.example\n*.docs.example\na.example' });
  again.value.verbatim = '';
  again.value.maxTokens = ' ';
  expect(changeOf(again.changes())).toEqual({ settings: { answering: { verbatim: null, maxTokens: null } } });
  again.value.maxTokens = 'many';
  expect(changeOf(again.changes()).settings).toMatchObject({ answering: { maxTokens: 'many' } });
});

test('a list is put in another order within its ends', () => {
  expect(moved(['a', 'b', 'c'], 0, 2)).toEqual(['b', 'c', 'a']);
  expect(moved(['a', 'b', 'c'], 2, 1)).toEqual(['a', 'c', 'b']);
  expect(moved(['a', 'b'], 0, 2)).toEqual(['a', 'b']);
  expect(moved(['a', 'b'], 0, -1)).toEqual(['a', 'b']);
});

test('suggestions are put in order with the arrow keys, and the handle keeps the focus', async () => {
  const props = $state({ list: [{ key: 0, text: 'One?' }, { key: 1, text: 'Two?' }], problem: () => undefined });
  mounted = mount(Suggestions, { target: document.body, props });
  flushSync();
  const typed = (): string[] => [...document.querySelectorAll('input')].map(({ value }) => value);
  const grip = document.querySelector<HTMLElement>('.grip')!;
  grip.focus();
  grip.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true, cancelable: true }));
  await vi.waitFor(() => expect(document.activeElement?.getAttribute('aria-label')).toBe('Move suggestion 2'));
  expect(typed()).toEqual(['Two?', 'One?']);
  expect(document.querySelector('[role=status]')?.textContent).toBe('Moved to place 2 of 2.');
  grip.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true, cancelable: true }));
  flushSync();
  expect(typed(), 'the last stays last').toEqual(['Two?', 'One?']);
});

test('a choice that is not listed is shown as the text that it is', () => {
  const props = $state({ label: 'Model', value: 'my-model', options: [{ value: 'gpt-4o', label: 'gpt-4o' }] });
  mounted = mount(Choice, { target: document.body, props });
  flushSync();
  expect(document.querySelector('input')?.value).toBe('my-model');
  const select = document.querySelector('select')!;
  select.value = 'gpt-4o';
  select.dispatchEvent(new Event('change', { bubbles: true }));
  flushSync();
  expect(document.querySelector('input')).toBeNull();
});

test.each([
  ['shop.example', 'https://shop.example'],
  [' https://Shop.example/cart?id=1 ', 'https://shop.example'],
  ['https://*.shop.example/', 'https://*.shop.example'],
  ['*.Shop.example', 'https://*.shop.example'],
  ['localhost:3000', 'http://localhost:3000'],
  ['http://127.0.0.1:8000/', 'http://127.0.0.1:8000'],
  ['https://shop.example:443', 'https://shop.example'],
  ['ftp://shop.example', 'ftp://shop.example'],
  ['no address', 'no address'],
])('%s is the site %s', (typed, origin) => {
  expect(originOf(typed)).toBe(origin);
});

test('colours are read in both lengths, and told apart as WCAG does', () => {
  expect(['#FD0', '#0F766E', 'red', '#12345'].map(hex6)).toEqual(['#ffdd00', '#0f766e', undefined, undefined]);
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21);
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
});

test('a square stays within its picture, however it is moved and magnified', () => {
  const crop = new Crop(900, 600);
  expect(crop.square).toEqual({ x: 150, y: 0, size: 600 });
  crop.drag(1, 1);
  expect(crop.square).toEqual({ x: 0, y: 0, size: 600 });
  crop.zoom = 2;
  crop.drag(-10, -10);
  expect(crop.square).toEqual({ x: 600, y: 300, size: 300 });
  crop.zoom = 0.1;
  expect(crop.square, 'made smaller at the edge').toEqual({ x: 300, y: 0, size: 600 });
  crop.zoom = 99;
  expect(crop.square.size).toBe(150);
});

test('before voice settings were made, those of the server stand, each time anew', () => {
  const first = voiceOf(details);
  first.text.endCall = 'Stop';
  expect(voiceOf(details)).toMatchObject({ agentId: 'b1', voice: 'shimmer', text: { endCall: 'End' } });
});
