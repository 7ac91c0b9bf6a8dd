// A chatbot's behaviour as a form, and back as the change to send.

import type { OfficeHours } from './office';
import type { ChatbotChange, ChatbotDetails } from '../../../lib/chatbots.svelte';

/** A suggestion while it is edited; `key` stays with it wherever it is moved. */
export interface Suggestion {
  key: number;
  text: string;
}

export interface Behaviour {
  name: string;
  description: string;
  active: boolean;
  is_public: boolean;
  prompt: string;
  style: string;
  tone: string;
  model: string;
  /** The model that stands in; empty for the organization's. */
  fallback: string;
  greeting: string;
  suggestions: Suggestion[];
  asksEmail: boolean;
  /** Whether visitors may ask for a person. */
  offersPerson: boolean;
  /** Whether visitors may end a conversation, and rate it then. */
  asksRating: boolean;
  /** Whether what people reply is sent by e-mail where it is not seen. */
  mailsReplies: boolean;
  /** When people answer; null where no hours are kept. */
  office: OfficeHours | null;
  usesTools: boolean;
  /** The names of the tools that were chosen. */
  tools: string[];
  knowledgeOnly: boolean;
  /** Whether Q&A pairs answer word for word; empty: where no model answers. */
  verbatim: '' | 'yes' | 'no';
  followUps: boolean;
  /** Tokens of an answer at most; empty for the server's limit. */
  maxTokens: string;
  /** Hosts that answers may link to, one a line. */
  linkHosts: string;
}

export function behaviourOf({ settings, personality_config, ...details }: ChatbotDetails): Behaviour {
  return {
    name: details.name,
    description: details.description ?? '',
    active: details.active,
    is_public: details.is_public,
    prompt: settings.prompt,
    style: personality_config.style ?? '',
    tone: personality_config.tone ?? '',
    model: settings.model,
    fallback: settings.fallbackModel ?? '',
    greeting: settings.greeting,
    suggestions: (details.suggestions ?? []).map((text, key) => ({ key, text })),
    asksEmail: settings.isRequestUserInfoEnabled,
    offersPerson: settings.isHumanHandoverEnabled,
    asksRating: settings.isRatingEnabled,
    mailsReplies: settings.isEmailFollowUpEnabled,
    office: settings.officeHours ?? null,
    usesTools: settings.isToolEnabled,
    tools: settings.tools ?? [],
    ...answeringOf(settings.answering ?? {}),
  };
}

type Answering = NonNullable<ChatbotDetails['settings']['answering']>;

function answeringOf({ knowledgeOnly, verbatim, followUps, maxTokens, linkHosts }: Answering): Pick<Behaviour, 'knowledgeOnly' | 'verbatim' | 'followUps' | 'maxTokens' | 'linkHosts'> {
  return {
    knowledgeOnly: knowledgeOnly ?? false,
    verbatim: verbatim === true ? 'yes' : verbatim === false ? 'no' : '',
    followUps: followUps ?? false,
    maxTokens: maxTokens ? String(maxTokens) : '',
    linkHosts: (linkHosts ?? []).join('\n'),
  };
}

/** The lines, or words between commas and spaces, of a list that was typed. */
export const hostsIn = (text: string): string[] => text.toLowerCase().split(/[\s,]+/).filter(Boolean);

/** What to send for the fields that were changed; an emptied text goes back to its default. */
export function changeOf(changed: Partial<Behaviour>): ChatbotChange {
  const { name, active, is_public, prompt, model, greeting } = changed;
  const answering = defined({
    knowledgeOnly: changed.knowledgeOnly,
    verbatim: changed.verbatim === undefined ? undefined : changed.verbatim === '' ? null : changed.verbatim === 'yes',
    followUps: changed.followUps,
    // What is no number is sent as it was typed: the server says what would be right.
    maxTokens: changed.maxTokens === undefined ? undefined : numberOrText(changed.maxTokens),
    linkHosts: changed.linkHosts === undefined ? undefined : hostsIn(changed.linkHosts),
  });
  const settings = defined({
    answering: Object.keys(answering).length > 0 ? answering : undefined,
    prompt,
    model,
    fallbackModel: orNull(changed.fallback),
    greeting,
    isRequestUserInfoEnabled: changed.asksEmail,
    isHumanHandoverEnabled: changed.offersPerson,
    isRatingEnabled: changed.asksRating,
    isEmailFollowUpEnabled: changed.mailsReplies,
    officeHours: changed.office,
    isToolEnabled: changed.usesTools,
    tools: changed.tools,
  });
  const personality = defined({ style: orNull(changed.style), tone: orNull(changed.tone) });
  const suggestions = changed.suggestions?.map(({ text }) => text.trim()).filter(Boolean);
  return defined({
    name,
    active,
    is_public,
    suggestions,
    description: orNull(changed.description),
    settings: Object.keys(settings).length > 0 ? settings : undefined,
    personality_config: Object.keys(personality).length > 0 ? personality : undefined,
  }) as ChatbotChange;
}

/** A list with the entry at `from` moved to `to`; the same list where that is no place in it. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const next = [...list];
  if (to < 0 || to >= list.length) return next;
  next.splice(to, 0, ...next.splice(from, 1));
  return next;
}

const numberOrText = (text: string): number | string | null => (text.trim() === '' ? null : Number.isNaN(Number(text)) ? text : Number(text));
const orNull = (text: string | undefined): string | null | undefined => (text === undefined ? undefined : text.trim() || null);

function defined<T extends object>(fields: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
