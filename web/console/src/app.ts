// The console put together: the one place where its parts are made.

import { client, send, upload, type Upload } from '@okra/client';
import { Chatbots } from './lib/chatbots.svelte';
import { Events } from './lib/events';
import { Router } from './lib/router.svelte';
import { Session } from './lib/session.svelte';
import { ThemeChoice } from './lib/theme.svelte';
import { Toasts } from './lib/toasts.svelte';
import { PATHS } from './routes';

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
export const events = new Events((signal) => call('/api/external/events', { signal }));

/** A call that openapi.json cannot describe, such as a stream; fails as those of `api` do. */
export function call(path: string, init?: RequestInit): Promise<Response> {
  return send(new Request(new URL(path, location.origin), init), options);
}

/** Sends a file, telling how far it is; fails as the calls of `api` do. */
export function sendFile<Reply>(request: Upload): Promise<Reply> {
  return upload(request, options);
}
