// Word of conversations that want this person, wherever they are in the browser: how many there are, a
// notification and a sound. Notifications are off until the person switches them on, as browsers ask of pages.

import type { Conversation } from '../pages/conversations/parts/conversations.svelte';

const KEY = 'okra-alerts';
/** Milliseconds that counts are left before they are asked for anew, once for many changes. */
const SETTLES = 800;
/** A message older than this is no news, in milliseconds. */
const NEWS = 60_000;

export interface Counts {
  waiting: number;
  mine: number;
}

/** What the browser does for us. */
export interface Means {
  permission: () => NotificationPermission | undefined;
  ask: () => Promise<NotificationPermission>;
  show: (conversation: Conversation, why: Why) => void;
  sound: () => void;
  now: () => number;
  /** Whether the person is looking at this conversation. */
  looksAt: (session: string) => boolean;
}

/** Why a conversation wants the person. */
export type Why = 'waits' | 'wrote';

export class Alerts {
  counts = $state.raw<Counts>({ waiting: 0, mine: 0 });
  /** Whether notifications were wished for. */
  #wished = $state(false);
  permission = $state<NotificationPermission>();
  readonly on = $derived(this.#wished && this.permission === 'granted');
  /** Conversations that are told of: a message of each, and whether it waits. */
  readonly #told = new Map<string, string>();
  /** Those that are counted, which may stop to be. */
  readonly #counted = new Set<string>();
  #settling: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly load: () => Promise<Counts>,
    private readonly storage: Pick<Storage, 'getItem' | 'setItem'>,
    private readonly means: Means,
  ) {
    this.#wished = storage.getItem(KEY) === 'on';
    this.permission = means.permission();
  }

  /** Switches notifications on, which the browser may refuse, or off. */
  async wish(on: boolean): Promise<void> {
    if (on && this.permission === 'default') this.permission = await this.means.ask();
    this.#wished = on && this.permission === 'granted';
    this.storage.setItem(KEY, this.#wished ? 'on' : 'off');
    if (this.#wished) this.means.sound(); // so that one knows it
  }

  /** Asks for the counts anew. */
  async count(): Promise<void> {
    // Counts are shown beside everything else: where they fail, the rest says why.
    this.counts = await this.load().catch(() => this.counts);
  }

  /** Takes a conversation as it now is; `me` is the person. */
  take(conversation: Conversation, me: string | undefined): void {
    const { id, is_human_mode: human, assignee_id } = conversation;
    if (human || this.#counted.has(id)) {
      this.#settling ??= setTimeout(() => {
        this.#settling = undefined;
        void this.count();
      }, SETTLES);
    }
    if (human) this.#counted.add(id);
    else this.#counted.delete(id);
    const why = this.#why(conversation, me);
    const what = `${conversation.last_message?.id} ${conversation.state} ${assignee_id ?? ''}`;
    if (!why || this.#told.get(id) === what) return;
    this.#told.set(id, what);
    if (!this.on || this.means.looksAt(id)) return;
    this.means.show(conversation, why);
    this.means.sound();
  }

  stop(): void {
    clearTimeout(this.#settling);
    this.#settling = undefined;
  }

  #why({ is_human_mode: human, state, assignee_id, last_message, updated_at, platform }: Conversation, me: string | undefined): Why | undefined {
    if (!human || platform === 'playground') return undefined;
    if (state === 'waiting' && !assignee_id) return 'waits';
    const isNews = this.means.now() - Date.parse(updated_at) < NEWS;
    return assignee_id && assignee_id === me && last_message?.sender_type === 'user' && isNews ? 'wrote' : undefined;
  }
}

/** Two short tones; nothing where the browser lets no page make a sound yet. */
export function chime(): void {
  const audio = new AudioContext();
  const gain = audio.createGain();
  gain.gain.value = 0.06;
  gain.connect(audio.destination);
  [660, 880].forEach((frequency, at) => {
    const tone = audio.createOscillator();
    tone.frequency.value = frequency;
    tone.connect(gain);
    tone.start(audio.currentTime + at * 0.14);
    tone.stop(audio.currentTime + at * 0.14 + 0.12);
  });
  setTimeout(() => void audio.close(), 1_000);
}
