// Where an address leads that is no page itself, such as that of a chatbot.

import { router, session } from '../app';
import type { Match } from '../lib/router.svelte';
import { CHATBOT_TABS, PAGES, SETTINGS_TABS, isThere, type PageName } from '../routes';

/** Whether the person may open a page that is there. */
export function mayOpen(name: PageName): boolean {
  return isThere(name) && session.may(PAGES[name]?.least ?? 'viewer');
}

export function landing({ name, parameters }: Match<PageName>): string | undefined {
  if (name === 'home') return mayOpen('overview') ? router.href('overview') : router.href('chatbots');
  if (name === 'settings') {
    const tab = SETTINGS_TABS.find(mayOpen);
    return tab && router.href(tab);
  }
  if (name === 'chatbot') {
    const tab = CHATBOT_TABS.find(mayOpen);
    return tab && router.href(tab, { chatbot: parameters['chatbot'] ?? '' });
  }
  return undefined;
}
