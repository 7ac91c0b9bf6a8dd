// The language of the console, and the words in it.

export const LANGUAGES = { en: 'English', ko: '한국어' } as const;
export type Language = keyof typeof LANGUAGES;

/** Words of one language: each a text, or a function that puts something into one. */
export type Words = Record<string, string | ((...values: never[]) => string)>;

type Translation<English extends Words> = {
  [Key in keyof English]: English[Key] extends (...values: infer Values) => string ? (...values: Values) => string : string;
};

/** The words of a page in every language; one that lacks a word does not compile. */
export type Dictionary<English extends Words> = { en: English } & Record<Exclude<Language, 'en'>, Translation<English>>;

export function dictionary<English extends Words>(words: Dictionary<English>): Dictionary<English> {
  return words;
}

class CurrentLanguage {
  value = $state<Language>('en');
}

/** The language that is spoken now. */
export const language = new CurrentLanguage();

/** The words to show; reactive, so take them with `const t = $derived(say(words))`. */
export function say<English extends Words>(words: Dictionary<English>): Translation<English> {
  return words[language.value] as Translation<English>;
}

/** Speaks the person's language from now on, or the first of the browser's that we know. */
export function speak(setting: string | null | undefined, browser: readonly string[]): void {
  const wanted = [setting ?? '', ...browser].map((tag) => tag.toLowerCase().split('-')[0] ?? '');
  language.value = (wanted.find((tag) => tag in LANGUAGES) as Language | undefined) ?? 'en';
}
