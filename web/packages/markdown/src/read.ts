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

/** Where a link with this address and label may lead; undefined where it is shown as text. */
export type LinkRule = (address: string, label: string) => string | undefined;

/**
 * Links to these hosts alone (`shop.example`, or `*.shop.example` for all below it), and mail to their names: a model
 * that was talked into a link to elsewhere must not lead anyone there. Telephone links say whom they call.
 */
export function linksTo(hosts: readonly string[]): LinkRule {
  const known = (host: string): boolean =>
    host !== '' && hosts.some((it) => (it.startsWith('*.') ? host.endsWith(it.slice(1)) && host.length >= it.length : host === it));
  return (address, label) => {
    const link = safeLink(address);
    if (!link) return undefined;
    const { protocol, hostname, pathname } = new URL(link);
    if (protocol === 'tel:') return digits(label) !== '' && digits(label) === digits(pathname) ? link : undefined;
    if (protocol === 'mailto:') {
      const names = decodeURIComponent(pathname).split(',');
      return names.every((name) => known(name.slice(name.lastIndexOf('@') + 1).trim().toLowerCase())) ? link : undefined;
    }
    return known(hostname) ? link : undefined;
  };
}

const digits = (text: string): string => text.replace(/\D/g, '');

/** The host of a web address; empty where it has none. */
export function hostOf(address: string | null): string {
  const link = safeLink(address ?? '');
  return link ? new URL(link).hostname : '';
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
