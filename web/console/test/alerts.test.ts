import { expect, test, vi } from 'vitest';
import { Alerts } from '../src/lib/alerts.svelte';
import type { Conversation } from '../src/pages/conversations/parts/conversations.svelte';

const NOW = Date.UTC(2026, 10, 24, 10, 0, 30);
const conversation = (last: string, more: Partial<Conversation> = {}): Conversation => ({
  id: 'c',
  active: true,
  chatbot_id: 'b',
  created_at: '2026-11-24T10:00:00Z',
  updated_at: '2026-11-24T10:00:00Z',
  is_human_mode: true,
  metadata: {},
  migrated_data: false,
  platform: 'web',
  state: 'in_progress',
  last_message: { id: last, content: '도와주세요', sender_type: 'user' },
  ...more,
});

function made(permission: NotificationPermission = 'granted', answer: NotificationPermission = 'granted') {
  const shown: string[] = [];
  const kept = new Map<string, string>();
  let [sounds, loads, looks] = [0, 0, ''];
  const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) };
  const means = {
    permission: () => permission,
    ask: async () => answer,
    show: ({ last_message }: Conversation, why: string) => void shown.push(`${why} ${last_message?.id}`),
    sound: () => void (sounds += 1),
    now: () => NOW,
    looksAt: (session: string) => session === looks,
  };
  const load = async () => ({ waiting: (loads += 1), mine: 0 });
  return { alerts: new Alerts(load, storage, means), shown, kept, sounds: () => sounds, look: (at: string) => void (looks = at), loads: () => loads };
}

test('a visitor who waits is told of once, and again with each message', async () => {
  const { alerts, shown, sounds } = made();
  await alerts.wish(true);
  const waits = { state: 'waiting' } as const;
  alerts.take(conversation('1', waits), 'me');
  alerts.take(conversation('1', waits), 'me');
  alerts.take(conversation('2', waits), 'me');
  expect(shown).toEqual(['waits 1', 'waits 2']);
  expect(sounds(), 'one for switching it on').toBe(3);
  alerts.stop();
});

test.each([
  ['answered by the chatbot', { is_human_mode: false }],
  ["a colleague's", { assignee_id: 'other' }],
  ['one that an agent wrote in last', { assignee_id: 'me', last_message: { id: '1', content: '', sender_type: 'agent' as const } }],
  ['an old one that was just assigned', { assignee_id: 'me', updated_at: '2026-11-24T09:00:00Z' }],
  ['a trial', { state: 'waiting' as const, platform: 'playground' }],
])('%s is not told of', async (_, more) => {
  const { alerts, shown } = made();
  await alerts.wish(true);
  alerts.take(conversation('1', more), 'me');
  expect(shown).toEqual([]);
  alerts.stop();
});

test('what the person looks at is not told of, and nothing while it is off', async () => {
  const { alerts, shown, look, kept } = made();
  alerts.take(conversation('1', { assignee_id: 'me' }), 'me');
  expect(shown).toEqual([]);
  await alerts.wish(true);
  expect(kept.get('okra-alerts')).toBe('on');
  look('c');
  alerts.take(conversation('2', { assignee_id: 'me' }), 'me');
  look('');
  alerts.take(conversation('3', { assignee_id: 'me' }), 'me');
  expect(shown).toEqual(['wrote 3']);
  await alerts.wish(false);
  alerts.take(conversation('4', { assignee_id: 'me' }), 'me');
  expect(shown).toEqual(['wrote 3']);
  alerts.stop();
});

test('a browser that refuses leaves it off', async () => {
  const { alerts, kept } = made('default', 'denied');
  await alerts.wish(true);
  expect([alerts.on, alerts.permission, kept.get('okra-alerts')]).toEqual([false, 'denied', 'off']);
});

test('counts are asked for once for many changes, and when a conversation is handed back', async () => {
  vi.useFakeTimers();
  const { alerts, loads } = made();
  alerts.take(conversation('1', { is_human_mode: false }), 'me');
  await vi.runAllTimersAsync();
  expect(loads()).toBe(0);
  for (let n = 0; n < 5; n++) alerts.take(conversation(`${n}`), 'me');
  await vi.runAllTimersAsync();
  expect(alerts.counts.waiting).toBe(1);
  alerts.take(conversation('5', { is_human_mode: false }), 'me');
  await vi.runAllTimersAsync();
  expect(alerts.counts.waiting).toBe(2);
  vi.useRealTimers();
});
