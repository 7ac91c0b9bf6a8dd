// The part of the widget that is loaded when a chat is first opened: `mountPanel` puts it in place.

import { Conversation, VisitorApi, randomId, type Entry, type Identity, type WidgetChatbot, type WidgetLimits } from '@okra/chat';
import { mount, unmount } from 'svelte';
import { direction, textOn } from './look';
import Panel from './Panel.svelte';
import css from './panel.css?inline';
import { postForm, shrink } from './upload';
import { wordsOf } from './words';

export interface PanelOptions {
  root: ShadowRoot;
  /** Okra's address. */
  host: string;
  chatbot: WidgetChatbot;
  limits: WidgetLimits;
  mode: 'floating' | 'page' | 'preview';
  side: 'start' | 'end';
  language: string;
  onclose: () => void;
  onmessage: (entry: Entry) => void;
  onerror: (message: string) => void;
}

export interface PanelHandle {
  show(): void;
  hide(): void;
  send(text: string): Promise<void>;
  identify(identity: Identity): Promise<void>;
  remove(): void;
}

const wait = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      removeEventListener('online', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    addEventListener('online', done); // no need to wait any longer
  });

/** The visitor's token in this browser. Where storage is forbidden it lives as long as the page. */
function memory(slug: string): { load: () => string | null; save: (token: string | null) => void } {
  const name = `okra:${slug}`;
  let kept: string | null = null;
  return {
    load: () => {
      try {
        return localStorage.getItem(name) ?? kept;
      } catch {
        return kept;
      }
    },
    save: (token) => {
      kept = token;
      try {
        if (token) localStorage.setItem(name, token);
        else localStorage.removeItem(name);
      } catch {
        // kept above
      }
    },
  };
}

/** Files that are dropped anywhere on the panel are attached, instead of leaving the page for them. */
function listenForDrops(target: HTMLElement, panel: { drag(over: boolean): void; attach(files: File[]): void }): void {
  const hasFiles = (event: DragEvent): boolean => !!event.dataTransfer?.types.includes('Files');
  target.addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    panel.drag(true);
  });
  target.addEventListener('dragleave', (event) => {
    if (!target.contains(event.relatedTarget as Node | null)) panel.drag(false);
  });
  target.addEventListener('drop', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    panel.drag(false);
    panel.attach([...(event.dataTransfer?.files ?? [])]);
  });
}

export async function mountPanel(options: PanelOptions): Promise<PanelHandle> {
  const words = await wordsOf(options.language);
  const { root, chatbot, mode } = options;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];

  const target = document.createElement('section');
  target.className = `panel ${mode === 'preview' ? 'inside' : mode} ${options.side}`;
  target.setAttribute('role', mode === 'floating' ? 'dialog' : 'region');
  target.setAttribute('aria-label', chatbot.widget.name || chatbot.name);
  target.lang = options.language;
  target.dir = direction(options.language);
  const { primaryColor } = chatbot.widget;
  target.style.setProperty('--primary', primaryColor);
  target.style.setProperty('--on-primary', textOn(primaryColor));
  target.style.setProperty('--focus', chatbot.widget.secondaryColor);
  target.hidden = mode === 'floating';
  root.append(target);

  const conversation = new Conversation(new VisitorApi(options.host, chatbot.slug, postForm), {
    now: Date.now,
    uuid: randomId,
    random: Math.random,
    wait,
    ...memory(chatbot.slug),
    page: location.href,
    language: options.language.slice(0, 35),
    shrink,
  }, { count: options.limits.images, bytes: options.limits.image_bytes });
  const told = new Set<string>();
  conversation.subscribe(({ entries, notice }) => {
    for (const entry of entries) {
      if (entry.state === 'writing' || told.has(entry.key)) continue;
      told.add(entry.key);
      options.onmessage(entry);
    }
    if (notice) options.onerror(notice);
  });
  addEventListener('online', () => void conversation.reconnect());
  const sees = (): void => conversation.people.sees(!target.hidden && document.visibilityState === 'visible');
  document.addEventListener('visibilitychange', sees);
  sees();

  const panel = mount(Panel, {
    target,
    props: {
      chatbot,
      conversation,
      words,
      longest: options.limits.message_chars,
      preview: mode === 'preview',
      onclose: mode === 'floating' ? options.onclose : undefined,
    },
  });
  target.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && mode === 'floating') options.onclose();
    // What is typed here is no shortcut of the page.
    event.stopPropagation();
  });
  listenForDrops(target, panel);
  let started: Promise<void> | undefined;
  const start = (): Promise<void> => (started ??= conversation.start(chatbot.asks_email));
  if (mode === 'page') void start();
  return {
    show() {
      target.hidden = false;
      sees();
      panel.focus();
      void start();
    },
    hide() {
      target.hidden = true;
      sees();
    },
    async send(text) {
      await start();
      await conversation.send(text);
    },
    identify: (identity) => conversation.identify(identity),
    remove() {
      document.removeEventListener('visibilitychange', sees);
      conversation.people.stop();
      void unmount(panel);
      target.remove();
      root.adoptedStyleSheets = root.adoptedStyleSheets.filter((other) => other !== sheet);
    },
  };
}
