// A visitor's way: a site that may not show the chatbot, then may; a question, a reload, a connection
// that breaks in the middle of an answer.

import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Stage, proxy, site } from './stage';

let stage: Stage;
let shop: Awaited<ReturnType<typeof site>>;
let bot: { id: string; slug: string };

beforeAll(async () => {
  stage = await Stage.open();
  bot = await stage.chatbot();
  const { embed } = await stage.api('GET', `/chatbot/${bot.id}/deploy`);
  shop = await site(embed);
});

afterAll(async () => {
  shop?.close();
  await stage?.stop();
});

async function visit(url: string): Promise<Page & { said: string[] }> {
  const context = await stage.browser.newContext();
  const page = Object.assign(await context.newPage(), { said: [] as string[] });
  page.on('console', (message) => page.said.push(message.text()));
  page.on('pageerror', (error) => page.said.push(`page error: ${error}`));
  await page.goto(url);
  return page;
}

const allow = (...allowed_origins: string[]): Promise<unknown> => stage.api('PUT', `/chatbot/${bot.id}/deploy`, { allowed_origins });

test('a site that is not allowed shows nothing and says in the console what to add', async () => {
  await allow();
  const page = await visit(shop.url);
  await expect.poll(() => page.said.join('\n')).toContain(`Add ${shop.url} to its allowed origins`);
  expect(await page.locator('okra-chat .launcher').count()).toBe(0);
  await page.context().close();
});

test('a visitor asks, reloads, and finds the conversation again', async () => {
  await allow(shop.url);
  const page = await visit(shop.url);
  const launcher = page.getByRole('button', { name: 'Open chat' });
  await launcher.waitFor();
  expect(await page.evaluate(() => localStorage.length)).toBe(0);
  await launcher.focus();
  await page.keyboard.press('Enter');
  const box = page.getByRole('textbox', { name: 'Write a message' });
  await expect.poll(() => box.evaluate((it) => it === (it.getRootNode() as ShadowRoot).activeElement)).toBe(true);
  await page.keyboard.type('How do I clean my teapot?');
  await page.keyboard.press('Enter');
  await page.locator('.bot strong', { hasText: 'cold' }).waitFor();
  await page.getByText('Care').waitFor();
  await page.getByRole('button', { name: 'Helpful', exact: true }).click();
  expect(await page.context().cookies()).toEqual([]);
  // The page's own styles stay outside.
  const color = await page.locator('.bubble').first().evaluate((it) => getComputedStyle(it).color);
  expect(color).not.toBe('rgb(255, 0, 0)');

  await page.reload();
  await page.getByRole('button', { name: 'Open chat' }).click();
  await page.locator('.user', { hasText: 'How do I clean my teapot?' }).waitFor();
  await expect.poll(() => page.getByRole('button', { name: 'Helpful', exact: true }).getAttribute('aria-pressed')).toBe('true');
  await page.keyboard.press('Escape');
  await expect.poll(() => page.getByRole('textbox').count()).toBe(0);

  const { data } = await stage.api('GET', `/chatbot/${bot.id}/conversations`);
  expect(data[0]).toMatchObject({ platform: 'web', last_message: { sender_type: 'bot' } });
  expect(page.said).toEqual([]);
  await page.context().close();
});

test('an answer goes on where the connection broke, and after a reload in the middle of it', async () => {
  const between = await proxy(stage.url);
  const { embed } = await stage.api('GET', `/chatbot/${bot.id}/deploy`);
  const shop = await site(embed.replace(stage.url, between.url));
  await allow(shop.url);
  const page = await visit(shop.url);
  await page.getByRole('button', { name: 'Open chat' }).click();
  stage.model.held = true;
  const box = page.getByRole('textbox', { name: 'Write a message' });
  await box.fill('How do I rinse it?');
  await box.press('Enter');
  await page.locator('.bot', { hasText: 'Rinse it' }).waitFor();
  between.restart();
  await page.getByText('Connection lost. Reconnecting').waitFor();
  await expect.poll(() => page.getByText('Connection lost').count()).toBe(0);
  await page.reload();
  await page.getByRole('button', { name: 'Open chat' }).click();
  await page.locator('.bot', { hasText: 'Rinse it' }).waitFor();
  between.restart();
  stage.model.release();
  await page.locator('.bot', { hasText: 'Rinse it with cold water.' }).waitFor();
  expect(await page.locator('.bot', { hasText: 'Rinse it' }).count()).toBe(1);
  expect(await page.locator('.user').count()).toBe(1);
  await page.context().close();
  shop.close();
  between.close();
});

test('the stop button ends an answer and keeps what was written', async () => {
  await allow(shop.url);
  const page = await visit(shop.url);
  await page.getByRole('button', { name: 'Open chat' }).click();
  stage.model.held = true;
  const box = page.getByRole('textbox', { name: 'Write a message' });
  await box.fill('How do I rinse it?');
  await box.press('Enter');
  await page.locator('.bot', { hasText: 'Rinse it' }).waitFor();
  await page.getByRole('button', { name: 'Stop answering' }).click();
  await page.getByText('Stopped.').waitFor();
  stage.model.release();
  await page.context().close();
});

test('what a builder or a model wrote runs nowhere', async () => {
  const evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';
  const bot = await stage.chatbot({ name: evil, is_public: true, description: evil, settings: { greeting: evil, snippet: { header: evil, slogan: evil } } });
  const words = stage.model.words;
  stage.model.words = [evil, ' [x](javascript:window.hacked=1)'];
  const page = await visit(`${stage.url}/c/${bot.slug}#<img src=x onerror=window.hacked=1>`);
  await page.evaluate((evil) => window.postMessage({ type: 'okra', content: evil }, '*'), evil);
  const box = page.getByRole('textbox', { name: 'Write a message' });
  await box.fill(evil);
  await box.press('Enter');
  await page.getByRole('button', { name: 'Copy' }).waitFor();
  expect(await page.evaluate(() => (window as any).hacked)).toBeUndefined();
  expect(await page.locator('.log img').count()).toBe(0);
  stage.model.words = words;
  await page.context().close();
});

test('the hosted page is there for a public chatbot, keeps its policy, and is a 404 otherwise', async () => {
  const open = await stage.chatbot({ name: 'Open shop', is_public: true });
  const page = await visit(`${stage.url}/c/${open.slug}`);
  await page.getByRole('textbox', { name: 'Write a message' }).waitFor();
  await page.getByRole('button', { name: 'How do I clean my teapot?' }).click();
  await page.locator('.bot strong', { hasText: 'cold' }).waitFor();
  expect(page.said).toEqual([]);
  expect(await page.title()).toBe('Open shop');
  const hidden = await fetch(`${stage.url}/c/${bot.slug}`);
  expect(hidden.status).toBe(404);
  await page.context().close();
});

test('a preview draws what it is given, follows changes, and asks nobody', async () => {
  const empty = await site('');
  const page = await visit(empty.url);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.setContent('<div style="position: relative; width: 400px; height: 600px" id="place"></div>');
  await page.addScriptTag({ url: `${stage.url}/widget.js` });
  const config = { slug: 's', name: 'One', description: null, avatar: null, greeting: 'Hi!', suggestions: [], asks_email: true, accepts_images: false };
  const widget = { header: 'First look', language: 'ko', logo: '', name: '', primaryColor: '#fd0', secondaryColor: '#000', slogan: '' };
  const draw = (config: object): Promise<void> =>
    page.evaluate((config) => {
      let chat = document.querySelector('okra-chat') as any;
      if (!chat) {
        chat = document.createElement('okra-chat');
        chat.setAttribute('preview', '');
        document.getElementById('place')!.append(chat);
      }
      chat.config = config;
    }, config);
  await draw({ ...config, widget });
  await page.getByText('First look').waitFor();
  await page.getByText('미리 보기입니다').waitFor();
  expect(await page.locator('header').evaluate((it) => getComputedStyle(it).color)).toBe('rgb(0, 0, 0)');
  await draw({ ...config, widget: { ...widget, header: 'Second look' } });
  await page.getByText('Second look').waitFor();
  expect(await page.locator('.panel').count()).toBe(1);
  await page.getByRole('textbox').fill('Hello?');
  await page.keyboard.press('Enter');
  expect(asked.filter((url) => url.includes('/api/'))).toEqual([]);
  expect(await page.evaluate(() => localStorage.length)).toBe(0);
  await page.context().close();
  empty.close();
});
