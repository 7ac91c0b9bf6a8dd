// `widget.js`: registers <okra-chat>, draws the launcher, and loads the rest when it is opened.
// A classic script, so that one line on any page is enough.

import type { Entry, Identity, WidgetChatbot, WidgetLimits } from '@okra/chat';
import { chooseLanguage, direction, textOn } from './look';
import type { PanelHandle, PanelOptions } from './panel';
import launcherCss from './launcher.css?inline';
import { launcherWord } from './launcher-words';

/** The hashed name of the panel's module, put in by the build. */
declare const __PANEL__: string;

type EventName = 'ready' | 'open' | 'close' | 'message' | 'answer' | 'error';
type Listener = (detail?: unknown) => void;

const script = document.currentScript as HTMLScriptElement | null;
const host = new URL(script?.src ?? location.href).origin;

/** The chat on a page. `data-chatbot` names the chatbot; with `preview`, `config` is shown instead. */
class OkraChat extends HTMLElement {
  #root = this.attachShadow({ mode: 'open' });
  #chatbot: WidgetChatbot | undefined;
  #limits: WidgetLimits = { message_chars: 4000, images: 4, image_bytes: 5 * 1024 * 1024 };
  #panel: Promise<PanelHandle> | undefined;
  #launcher: HTMLButtonElement | undefined;
  #isOpen = false;
  #unread = 0;
  #identity: Identity | undefined;
  #listeners = new Map<EventName, Set<Listener>>();

  connectedCallback(): void {
    if (!this.hasAttribute('preview')) void this.#begin();
  }

  /** What a preview shows; a new value is drawn at once. */
  set config(chatbot: WidgetChatbot) {
    this.#chatbot = chatbot;
    void this.#panel?.then((panel) => panel.remove());
    this.#panel = this.#load('preview');
  }

  async open(): Promise<void> {
    if (!this.#chatbot || this.#isOpen) return;
    this.#isOpen = true;
    this.#launcher?.setAttribute('aria-expanded', 'true');
    this.#label();
    (await this.#ready()).show();
    this.#emit('open');
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#launcher?.setAttribute('aria-expanded', 'false');
    this.#label();
    void this.#panel?.then((panel) => panel.hide());
    this.#launcher?.focus();
    this.#emit('close');
  }

  async send(text: string): Promise<void> {
    await this.open();
    await (await this.#ready()).send(String(text));
  }

  async identify(identity: Identity): Promise<void> {
    this.#identity = identity;
    if (this.#panel) await (await this.#panel).identify(identity);
  }

  /** Calls `listener` at each event of this name; gives the function that ends this. */
  on(event: EventName, listener: Listener): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  #emit(event: EventName, detail?: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(detail);
  }

  async #begin(): Promise<void> {
    const slug = this.dataset['chatbot'];
    if (!slug) return console.error('Okra: the attribute data-chatbot names no chatbot.');
    const address = `${host}/api/public/chatbot/${encodeURIComponent(slug)}`;
    let told: { chatbot?: WidgetChatbot; limits?: WidgetLimits; code?: string; error?: string };
    try {
      const response = await fetch(address, { credentials: 'omit' });
      told = await response.json();
    } catch (error) {
      return console.error(`Okra: ${host} cannot be reached.`, error);
    }
    if (!told.chatbot) {
      const add = `Okra: ${location.origin} may not show the chatbot "${slug}". Add ${location.origin} to its allowed origins.`;
      return console.error(told.code === 'origin_not_allowed' ? add : `Okra: ${told.error}`);
    }
    this.#chatbot = told.chatbot;
    this.#limits = told.limits ?? this.#limits;
    if (this.dataset['mode'] === 'page') this.#panel = this.#load('page');
    else this.#drawLauncher();
    this.#emit('ready');
  }

  #language(): string {
    const configured = this.dataset['language'] ?? this.#chatbot?.widget.language ?? 'auto';
    return chooseLanguage(configured, document.documentElement.lang, navigator.language);
  }

  #drawLauncher(): void {
    const { primaryColor, secondaryColor } = this.#chatbot!.widget;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(launcherCss);
    this.#root.adoptedStyleSheets = [sheet];
    const button = document.createElement('button');
    button.type = 'button';
    button.className = `launcher ${this.#side()}`;
    button.dir = direction(this.#language());
    button.style.setProperty('--primary', primaryColor);
    button.style.setProperty('--on-primary', textOn(primaryColor));
    button.style.setProperty('--focus', secondaryColor);
    button.setAttribute('aria-haspopup', 'dialog');
    button.setAttribute('aria-expanded', 'false');
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    svg.setAttribute('viewBox', '0 0 24 24');
    svg.setAttribute('aria-hidden', 'true');
    svg.append(document.createElementNS('http://www.w3.org/2000/svg', 'path'));
    button.append(svg);
    button.addEventListener('click', () => (this.#isOpen ? this.close() : void this.open()));
    this.#launcher = button;
    this.#label();
    this.#root.append(button);
  }

  #label(): void {
    // What agents wrote while the chat was closed is counted on its button.
    if (this.#isOpen) this.#unread = 0;
    const unread = this.#unread ? ` (${this.#unread})` : '';
    this.#launcher?.classList.toggle('unread', this.#unread > 0);
    this.#launcher?.setAttribute('aria-label', launcherWord(this.#language(), this.#isOpen) + unread);
    const path = this.#isOpen ? 'M6 9l6 6 6-6' : 'M4 5h16v11H9l-5 4z';
    this.#launcher?.querySelector('path')?.setAttribute('d', path);
  }

  #side(): 'start' | 'end' {
    return this.dataset['position'] === 'left' ? 'start' : 'end';
  }

  #ready(): Promise<PanelHandle> {
    return (this.#panel ??= this.#load('floating'));
  }

  async #load(mode: PanelOptions['mode']): Promise<PanelHandle> {
    const address = `${host}/assets/${__PANEL__}`;
    const { mountPanel }: typeof import('./panel') = await import(/* @vite-ignore */ address);
    const panel = await mountPanel({
      root: this.#root,
      host,
      chatbot: this.#chatbot!,
      limits: this.#limits,
      mode,
      side: this.#side(),
      language: this.#language(),
      onclose: () => this.close(),
      onmessage: (entry: Entry) => {
        if (entry.sender === 'agent' && !this.#isOpen) this.#unread += 1;
        this.#label();
        this.#emit(entry.sender === 'user' ? 'message' : 'answer', { id: entry.id, content: entry.content });
      },
      onerror: (message) => this.#emit('error', message),
    });
    if (this.#identity && mode !== 'preview') void panel.identify(this.#identity);
    return panel;
  }
}

function begin(): void {
  if (customElements.get('okra-chat')) {
    console.warn('Okra: the widget is on this page already; this second script does nothing.');
    return;
  }
  customElements.define('okra-chat', OkraChat);
  if (!script?.dataset['chatbot']) return; // the page places <okra-chat> by itself
  const chat = document.createElement('okra-chat') as OkraChat;
  Object.assign(chat.dataset, script.dataset);
  (window as unknown as { okra: OkraChat }).okra = chat;
  const place = (): void => void document.body.append(chat);
  if (document.body) place();
  else addEventListener('DOMContentLoaded', place);
}

begin();
