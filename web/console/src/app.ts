// The console put together: the one place where its parts are made.

import { body, client, send, upload, type Upload } from '@okra/client';
import { Alerts, chime, type Why } from './lib/alerts.svelte';
import { Chatbots } from './lib/chatbots.svelte';
import { Events } from './lib/events';
import { say } from './lib/language.svelte';
import { Router } from './lib/router.svelte';
import { Session } from './lib/session.svelte';
import { ThemeChoice } from './lib/theme.svelte';
import { Toasts } from './lib/toasts.svelte';
import type { Conversation } from './pages/conversations/parts/conversations.svelte';
import { nameOf, visitorOf } from './pages/conversations/parts/visitor';
import { PATHS } from './routes';
import shellWords from './shell/words';

const options = {
  base: location.origin,
  organization: () => session.organization?.id,
  onSignedOut: () => {
    session.me = undefined;
  },
};

export const api = client(options);
export const session: Session = new Session(api, localStorage);
export const router = new Router(PATHS, window);
export const theme = new ThemeChoice(document.documentElement, localStorage);
export const toasts = new Toasts();
export const chatbots = new Chatbots(api);
export const alerts = new Alerts(
  async () => (await body(api.GET('/api/external/inbox', { params: { query: { queue: 'waiting', limit: 1 } } }))).counts,
  localStorage,
  {
    permission: () => ('Notification' in window ? Notification.permission : undefined),
    ask: () => Notification.requestPermission(),
    show: notify,
    sound: chime,
    now: Date.now,
    looksAt: (session) => document.hasFocus() && router.url.pathname.endsWith(`/${session}`),
  },
);
export const events = new Events((signal) => call('/api/external/events', { signal }));

/** A notification of the browser's that leads to its conversation. */
function notify(conversation: Conversation, why: Why): void {
  const t = say(shellWords);
  const name = nameOf(visitorOf(conversation), t.visitor);
  const title = why === 'waits' ? t.waits(name) : t.wrote(name);
  const notification = new Notification(title, { body: conversation.last_message?.content.slice(0, 200) ?? '', tag: conversation.id });
  notification.onclick = () => {
    window.focus();
    notification.close();
    const where = { chatbot: conversation.chatbot_id, session: conversation.id };
    void router.go(`${router.href('inboxThread', where)}?queue=${why === 'waits' ? 'waiting' : 'mine'}`);
  };
}

/** A call that openapi.json cannot describe, such as a stream; fails as those of `api` do. */
export function call(path: string, init?: RequestInit): Promise<Response> {
  return send(new Request(new URL(path, location.origin), init), options);
}

/** Sends a file, telling how far it is; fails as the calls of `api` do. */
export function sendFile<Reply>(request: Upload): Promise<Reply> {
  return upload(request, options);
}
