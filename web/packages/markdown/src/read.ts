// Reading Markdown and judging its links: model output is not to be trusted.

import type { Token } from 'marked';

/** Gives the blocks of a text. */
export type Reader = (text: string) => Token[];

let reader: Promise<Reader> | undefined;

/** The Markdown reader, loaded when the first answer needs it. Fails where it cannot be loaded, and is asked for anew next time. */
export function markdownReader(): Promise<Reader> {
  reader ??= import('marked').then(({ Lexer }) => (text) => new Lexer({ gfm: true, breaks: true }).lex(text));
  reader.catch(() => (reader = undefined));
  return reader;
}

/** The address where it may be followed: web, mail and telephone links only. */
export function safeLink(address: string): string | undefined {
  try {
    const url = new URL(address);
    return ['http:', 'https:', 'mailto:', 'tel:'].includes(url.protocol) ? url.href : undefined;
  } catch {
    return undefined; // relative addresses lead nowhere on someone else's page
  }
}

/** A text's beginning on one line without Markdown's marks, for lists: a glance, not a reading. */
export function glance(text: string): string {
  return text
    .slice(0, 300)
    .replace(/^[ \t]*(?:#{1,6}|>|[-*+]|\d+\.)[ \t]+/gm, '')
    .replace(/!?\[([^\]\n]*)\]\([^)\n]*\)/g, '$1')
    .replace(/\*\*|__|~~|`+/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}
