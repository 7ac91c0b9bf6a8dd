// Colours that can be read, and languages that are followed.
import { expect, test } from 'vitest';
import { launcherWord } from '../src/launcher-words';
import { chooseLanguage, direction, luminance, textOn } from '../src/look';
import { wordsOf } from '../src/words';

test('the text on every colour has the better contrast, which is always 4.5 or more', () => {
  for (let value = 0; value < 0x1000000; value += 4_099) {
    const color = `#${value.toString(16).padStart(6, '0')}`;
    const [back, text] = [luminance(color), luminance(textOn(color))];
    const contrast = (Math.max(back, text) + 0.05) / (Math.min(back, text) + 0.05);
    expect(contrast, color).toBeGreaterThanOrEqual(4.5);
  }
  expect(textOn('#4F46E5')).toBe('#ffffff');
  expect(textOn('#fd0')).toBe('#000000');
});

test('auto follows the page, then the browser', () => {
  expect(chooseLanguage('auto', 'ko', 'en-US')).toBe('ko');
  expect(chooseLanguage('auto', '', 'en-US')).toBe('en-US');
  expect(chooseLanguage('ja', 'ko', 'en')).toBe('ja');
});

test('words and directions follow the language', async () => {
  expect((await wordsOf('ko-KR')).send).toBe('보내기');
  expect((await wordsOf('zh-Hans')).send).toBe('发送');
  expect((await wordsOf('ar')).send).toBe('Send');
  expect(launcherWord('de-AT', false)).toBe('Chat öffnen');
  expect(launcherWord('ar', true)).toBe('Close chat');
  expect([direction('ar-EG'), direction('he'), direction('ko')]).toEqual(['rtl', 'rtl', 'ltr']);
});

test('every language leaves the same places for numbers', async () => {
  const english = Object.entries(await wordsOf('en'));
  const places = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const language of ['ko', 'ja', 'zh', 'es', 'de', 'fr']) {
    const words: Record<string, string> = await wordsOf(language);
    for (const [name, text] of english) expect(places(words[name]!), `${language} ${name}`).toEqual(places(text));
  }
});
