// Every page of the console: its path, and the file that draws it, which is loaded when it is first opened.
// A page whose file is not there is not linked anywhere.

import type { Component } from 'svelte';
import type { Role } from '@okra/client';
import type { OpenChatbot } from './lib/chatbots.svelte';

export const PATHS = {
  signIn: '/sign-in',
  link: '/link',
  home: '/',
  overview: '/overview',
  account: '/account',
  inbox: '/inbox',
  inboxThread: '/inbox/:chatbot/:session',
  chatbots: '/chatbots',
  chatbot: '/chatbots/:chatbot',
  knowledge: '/chatbots/:chatbot/knowledge',
  retrieval: '/chatbots/:chatbot/knowledge/test',
  item: '/chatbots/:chatbot/knowledge/items/:item',
  sources: '/chatbots/:chatbot/knowledge/sources',
  source: '/chatbots/:chatbot/knowledge/sources/:source',
  evals: '/chatbots/:chatbot/evals',
  eval: '/chatbots/:chatbot/evals/:eval',
  gaps: '/chatbots/:chatbot/gaps',
  gap: '/chatbots/:chatbot/gaps/:gap',
  playground: '/chatbots/:chatbot/playground',
  behaviour: '/chatbots/:chatbot/behaviour',
  search: '/chatbots/:chatbot/search',
  appearance: '/chatbots/:chatbot/appearance',
  voice: '/chatbots/:chatbot/voice',
  deploy: '/chatbots/:chatbot/deploy',
  conversations: '/chatbots/:chatbot/conversations',
  conversation: '/chatbots/:chatbot/conversations/:session',
  settings: '/settings',
  organization: '/settings/organization',
  people: '/settings/people',
  keys: '/settings/keys',
  providers: '/settings/providers',
  webhooks: '/settings/webhooks',
  webhook: '/settings/webhooks/:webhook',
  tools: '/settings/tools',
  usage: '/settings/usage',
} as const;

export type PageName = keyof typeof PATHS;

/** What every page gets. */
export interface PageProps {
  parameters: Record<string, string>;
}

/** What a chatbot's pages get. */
export interface ChatbotPageProps extends PageProps {
  chatbot: OpenChatbot;
}

export type Frame = 'bare' | 'plain' | 'chatbot' | 'settings';

interface Page {
  /** The file below `pages/`, without `.svelte`. */
  file: string;
  /** What stands around it: nothing, the console, a chatbot's tabs, the settings' tabs. */
  frame: Frame;
  /** The least role that may open it; viewers where none is named. */
  least?: Role;
  /** Follows its parameters itself, rather than being made anew for others. Pages of one file may share it. */
  lasting?: true;
}

/** `home`, `chatbot` and `settings` lead on to another page. */
export const PAGES: Partial<Record<PageName, Page>> = {
  signIn: { file: 'account/SignIn', frame: 'bare' },
  link: { file: 'account/Link', frame: 'bare' },
  account: { file: 'account/Account', frame: 'plain' },
  overview: { file: 'overview/Overview', frame: 'plain' },
  inbox: { file: 'inbox/Inbox', frame: 'plain', lasting: true },
  inboxThread: { file: 'inbox/Inbox', frame: 'plain', lasting: true },
  chatbots: { file: 'chatbots/Chatbots', frame: 'plain' },
  knowledge: { file: 'knowledge/Knowledge', frame: 'chatbot' },
  retrieval: { file: 'knowledge/Retrieval', frame: 'chatbot' },
  item: { file: 'knowledge/Item', frame: 'chatbot' },
  sources: { file: 'sources/Sources', frame: 'chatbot' },
  source: { file: 'sources/Source', frame: 'chatbot' },
  evals: { file: 'evals/Evals', frame: 'chatbot' },
  eval: { file: 'evals/Eval', frame: 'chatbot' },
  gaps: { file: 'gaps/Gaps', frame: 'chatbot' },
  gap: { file: 'gaps/Gap', frame: 'chatbot' },
  playground: { file: 'playground/Playground', frame: 'chatbot', least: 'agent' },
  behaviour: { file: 'behaviour/Behaviour', frame: 'chatbot' },
  search: { file: 'search/Search', frame: 'chatbot', least: 'admin' },
  appearance: { file: 'appearance/Appearance', frame: 'chatbot' },
  voice: { file: 'voice/Voice', frame: 'chatbot' },
  deploy: { file: 'deploy/Deploy', frame: 'chatbot' },
  conversations: { file: 'conversations/Conversations', frame: 'chatbot', lasting: true },
  conversation: { file: 'conversations/Conversations', frame: 'chatbot', lasting: true },
  organization: { file: 'settings/Organization', frame: 'settings' },
  people: { file: 'settings/People', frame: 'settings' },
  keys: { file: 'settings/Keys', frame: 'settings', least: 'admin' },
  providers: { file: 'settings/Providers', frame: 'settings', least: 'admin' },
  webhooks: { file: 'webhooks/Webhooks', frame: 'settings', least: 'admin' },
  webhook: { file: 'webhooks/Webhook', frame: 'settings', least: 'admin' },
  tools: { file: 'tools/Tools', frame: 'settings', least: 'admin' },
  usage: { file: 'settings/Usage', frame: 'settings' },
};

/** The tabs of a chatbot and of the settings, in their order. */
export const CHATBOT_TABS = ['knowledge', 'gaps', 'evals', 'playground', 'behaviour', 'search', 'appearance', 'voice', 'deploy', 'conversations'] as const;
export const SETTINGS_TABS = ['organization', 'people', 'keys', 'tools', 'webhooks', 'providers', 'usage'] as const;

// Each file says for itself which properties it takes: a chatbot's pages take one more than the others.
type Loader = () => Promise<{ default: Component<any> }>;
const files = import.meta.glob<{ default: Component<any> }>('./pages/*/*.svelte');

/** How a page's file is loaded; undefined where there is none. */
export function loader(name: PageName): Loader | undefined {
  const page = PAGES[name];
  return page && files[`./pages/${page.file}.svelte`];
}

/** Whether a page can be opened, and so may be linked. */
export const isThere = (name: PageName): boolean => loader(name) !== undefined;
