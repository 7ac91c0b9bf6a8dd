// What a model, a document or a visitor wrote becomes text and harmless elements, nothing else.
import { mount, unmount } from 'svelte';
import { describe, expect, test } from 'vitest';
import { glance, hostOf, linksTo, Markdown, markdownReader, safeLink, type LinkRule } from '../src';

async function drawn(text: string, links?: LinkRule): Promise<HTMLElement> {
  const read = await markdownReader();
  const target = document.createElement('div');
  const component = mount(Markdown, { target, props: { tokens: read(text), ...(links ? { links } : {}) } });
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

describe('links by host', () => {
  const rule = linksTo(['shop.example', '*.docs.example', 'localhost']);

  const foreign = [
    '[here](https://evil.example/x)',
    '![map](https://evil.example/map.png?told=secret)',
    'https://evil.example/x',
    '<https://evil.example/x>',
    '[here][1]\n\n[1]: https://evil.example',
    '[here](https://shop.example.evil.example)',
    '[here](https://shop.example@evil.example/)',
    '[here](https://evilshop.example/)',
    '[here](https://docs.example/)',
    '[here](//evil.example)',
    '[here](https:\\\\evil.example)',
    '- [a](https://evil.example)\n\n> [b](https://evil.example)',
    '| [a](https://evil.example) |\n|---|\n| https://evil.example |',
    '**[a](https://evil.example)**',
    '[write](mailto:thief@evil.example)',
    '[write](mailto:a@shop.example,thief@evil.example)',
    '[call us](tel:+8200000000)',
    'www.evil.example',
  ];
  test.each(foreign)('%s leads nowhere', async (text) => {
    const html = await drawn(text, rule);
    expect(html.querySelector('a, img, [href], [src]')).toBeNull();
  });

  test('what leads nowhere says where it would have led', async () => {
    expect((await drawn('See [the map](https://evil.example/x).', rule)).textContent).toBe('See the map (https://evil.example/x).');
    expect((await drawn('See https://evil.example/x', rule)).textContent).toBe('See https://evil.example/x');
  });

  const own = [
    ['[a](https://shop.example/x?y=z)', 'https://shop.example/x?y=z'],
    ['[a](https://SHOP.example:8443/)', 'https://shop.example:8443/'],
    ['https://a.b.docs.example', 'https://a.b.docs.example/'],
    ['[a](mailto:us@shop.example)', 'mailto:us@shop.example'],
    ['[+82 2-000](tel:+822000)', 'tel:+822000'],
    ['- [a](http://localhost:3000/)', 'http://localhost:3000/'],
  ];
  test.each(own)('%s is a link', async (text, address) => {
    expect((await drawn(text, rule)).querySelector('a')?.getAttribute('href')).toBe(address);
  });

  test('a host is told of web addresses alone', () => {
    expect(['https://A.example:1/x', 'mailto:a@b.example', 'no', '', null].map(hostOf)).toEqual(['a.example', '', '', '', '']);
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
