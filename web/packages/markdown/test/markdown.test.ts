// What a model, a document or a visitor wrote becomes text and harmless elements, nothing else.
import { mount, unmount } from 'svelte';
import { describe, expect, test } from 'vitest';
import { glance, Markdown, markdownReader, safeLink } from '../src';

async function drawn(text: string): Promise<HTMLElement> {
  const read = await markdownReader();
  const target = document.createElement('div');
  const component = mount(Markdown, { target, props: { tokens: read(text) } });
  const copy = target.cloneNode(true) as HTMLElement;
  await unmount(component);
  return copy;
}

describe('Markdown', () => {
  test('draws what support answers are made of', async () => {
    const html = await drawn('**Rinse** it:\n\n1. Cold `water`\n2. No *soap*\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```js\nlet x;\n```\n\n[site](https://a.example/x)');
    expect(html.querySelector('strong')?.textContent).toBe('Rinse');
    expect([...html.querySelectorAll('ol > li')].map((item) => item.textContent)).toEqual(['Cold water', 'No soap']);
    expect(html.querySelectorAll('th')).toHaveLength(2);
    expect(html.querySelector('td')?.textContent).toBe('1');
    expect(html.querySelector('pre code')?.textContent).toBe('let x;');
    const link = html.querySelector('a');
    expect(link?.getAttribute('href')).toBe('https://a.example/x');
    expect(link?.rel).toContain('noopener');
  });

  const hostile = [
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    'a <b onclick="alert(1)">b</b>',
    '[x](javascript:alert(1))',
    '[x](JaVaScRiPt:alert(1))',
    '[x](&#106;avascript:alert(1))',
    '[x](data:text/html,<script>alert(1)</script>)',
    '![x](javascript:alert(1))',
    '<a href="javascript:alert(1)">x</a>',
    '[x](vbscript:msgbox)',
    '<iframe src="https://a.example"></iframe>',
    '| <script>alert(1)</script> |\n|---|\n| <svg onload=alert(1)> |',
    '[x]: javascript:alert(1)\n\n[x]',
    '<style>*{display:none}</style>',
  ];
  test.each(hostile)('%s does nothing', async (text) => {
    const html = await drawn(text);
    expect(html.querySelector('script, img, iframe, style, svg, b, object, embed')).toBeNull();
    for (const element of html.querySelectorAll('*')) {
      for (const { name, value } of element.attributes) {
        expect(name.startsWith('on')).toBe(false);
        if (name === 'href') expect(value).toMatch(/^(https?|mailto|tel):/);
      }
    }
  });

  test('an image is a link: a picture would tell its host who reads', async () => {
    const html = await drawn('![map](https://a.example/map.png)');
    expect(html.querySelector('img')).toBeNull();
    expect(html.querySelector('a')?.textContent).toBe('map');
  });

  test('a text of a hundred thousand characters, deep in quotes, is drawn', async () => {
    const html = await drawn(`${'> '.repeat(50)}deep\n\n${'word '.repeat(20_000)}`);
    expect(html.textContent?.length).toBeGreaterThan(99_000);
  });
});

test('links lead to the web, to mail and to telephones', () => {
  expect(safeLink('https://a.example')).toBe('https://a.example/');
  expect(safeLink('mailto:a@b.example')).toBe('mailto:a@b.example');
  expect(safeLink('tel:+1')).toBe('tel:+1');
  for (const bad of ['javascript:alert(1)', 'data:text/html,x', '/relative', '', 'file:///etc/passwd', 'blob:x']) {
    expect(safeLink(bad), bad).toBeUndefined();
  }
});

test('a glance at an answer shows its words and none of its marks', () => {
  const check = (text: string, shown: string): void => expect(glance(text)).toBe(shown);
  check('**Rinse it** after `use`:\n\n1. Empty it.\n2. Dry it.', 'Rinse it after use: Empty it. Dry it.');
  check('# Care\n> See [our guide](https://a.example/x) and snake_case', 'Care See our guide and snake_case');
  check('2 * 3 = 6', '2 * 3 = 6');
});
