// What a conversation knows of its visitor.

import type { Conversation } from './conversations.svelte';

export interface Visitor {
  name: string | undefined;
  email: string | undefined;
  phone: string | undefined;
  /** The site vouches for who it is. */
  verified: boolean;
  page: string | undefined;
  language: string | undefined;
  token: string | undefined;
}

export function visitorOf({ metadata, sns_user_id: token }: Pick<Conversation, 'metadata' | 'sns_user_id'>): Visitor {
  const text = (name: string): string | undefined => {
    const value = metadata[name];
    return typeof value === 'string' && value.trim() !== '' ? value : undefined;
  };
  return {
    name: text('name'),
    email: text('email'),
    phone: text('phone'),
    verified: metadata['verified'] === true,
    page: text('page'),
    language: text('language'),
    token: token ?? undefined,
  };
}

/** What the visitor is called; where nothing is known, by the end of their token, so that two can be told apart. */
export function nameOf(visitor: Visitor, anonymous: (mark: string) => string): string {
  return visitor.name ?? visitor.email ?? visitor.phone ?? anonymous(visitor.token?.slice(-4) ?? '');
}

/** What dials a number (RFC 3966), however it was written. */
export const dialled = (phone: string): string => `tel:${phone.trim().startsWith('+') ? '+' : ''}${phone.replace(/\D/g, '')}`;
