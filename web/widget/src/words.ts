// What the panel says, in each language it speaks. English is part of it, the others are loaded.

import { words as en, type Words } from './words/en';

export type { Words };

const OTHERS: Record<string, () => Promise<{ words: Words }>> = {
  ko: () => import('./words/ko'),
  ja: () => import('./words/ja'),
  zh: () => import('./words/zh'),
  es: () => import('./words/es'),
  de: () => import('./words/de'),
  fr: () => import('./words/fr'),
};

/** The words of a language; English for those we don't speak, and where the others do not arrive. */
export async function wordsOf(language: string): Promise<Words> {
  const load = OTHERS[language.toLowerCase().split('-')[0] ?? ''];
  return load ? load().then(({ words }) => words, () => en) : en;
}
