import { expect, test } from 'vitest';
import { LANGUAGES, language, say, speak, type Dictionary, type Words } from '../src/lib/language.svelte';

const files = import.meta.glob<{ default: Dictionary<Words> }>('../src/**/words.ts', { eager: true });
const dictionaries = Object.entries(files).map(([file, { default: words }]) => ({ file, words }));

test('every page has its words', () => {
  expect(dictionaries.length).toBeGreaterThan(2);
});

test.each(dictionaries)('$file has each word in each language, and none is left empty', ({ words }) => {
  const names = Object.keys(words.en).sort();
  for (const tongue of Object.keys(LANGUAGES) as (keyof typeof LANGUAGES)[]) {
    expect(Object.keys(words[tongue]).sort()).toEqual(names);
    for (const [name, word] of Object.entries(words[tongue])) {
      expect(typeof word, name).toBe(typeof words.en[name]);
      const text = typeof word === 'string' ? word : (word as (...values: string[]) => string)(...Array(word.length).fill('7'));
      expect(text.trim(), name).not.toBe('');
      if (typeof word !== 'string') expect(text, `${name} leaves out what it is given`).toContain('7');
    }
  }
});

test.each([
  ['ko', ['en-GB'], 'ko'],
  [null, ['ko-KR', 'en'], 'ko'],
  [null, ['fr', 'en-GB'], 'en'],
  [undefined, ['fr'], 'en'],
  ['xx', ['ko'], 'ko'],
])('setting %s and browser %s speak %s', (setting, browser, expected) => {
  speak(setting, browser);
  expect(language.value).toBe(expected);
});

test('words follow the language', () => {
  const words = { en: { hello: (name: string) => `Hello ${name}` }, ko: { hello: (name: string) => `${name}님 안녕하세요` } };
  speak('ko', []);
  expect(say(words).hello('Kim')).toBe('Kim님 안녕하세요');
});
