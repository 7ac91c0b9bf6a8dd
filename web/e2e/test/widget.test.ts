// A visitor's way: a site that may not show the chatbot, then may; a question, a reload, a connection
// that breaks in the middle of an answer.

import { createHmac } from 'node:crypto';
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

const visit = (url: string): ReturnType<Stage['visit']> => stage.visit(url);
/** Opens the chat on a page and asks. */
async function ask(page: Page, question: string): Promise<void> {
  await page.getByRole('button', { name: 'Open chat' }).click();
  const box = page.getByRole('textbox', { name: 'Write a message' });
  await box.fill(question);
  await box.press('Enter');
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
  stage.model.held = true;
  await ask(page, 'How do I rinse it?');
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
  stage.model.held = true;
  await ask(page, 'How do I rinse it?');
  await page.locator('.bot', { hasText: 'Rinse it' }).waitFor();
  await page.getByRole('button', { name: 'Stop answering' }).click();
  await page.getByText('Stopped.').waitFor();
  stage.model.release();
  await page.context().close();
});

test('an answer that failed can be asked for again, and says nothing of the provider', async () => {
  await allow(shop.url);
  const page = await visit(shop.url);
  stage.model.broken = true;
  await ask(page, 'How do I rinse it?');
  await page.getByText('This answer could not be finished.').waitFor();
  expect(await page.locator('.panel').innerText()).not.toContain('sk-secret');
  stage.model.broken = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.locator('.bot', { hasText: 'Rinse it with cold water.' }).waitFor();
  expect(await page.locator('.user').count()).toBe(1);
  expect(await page.getByText('This answer could not be finished.').count()).toBe(0);
  await page.context().close();
});

test('pages can open, ask, listen and say who the visitor is', async () => {
  await allow(shop.url);
  const { identity_secret } = await stage.api('POST', `/chatbot/${bot.id}/deploy/secret`);
  const hash = createHmac('sha256', identity_secret).update('customer-7').digest('hex');
  const identity = { id: 'customer-7', name: 'Kim', email: 'kim@example.com', hash };
  for (const device of ['telephone', 'laptop']) {
    const page = await visit(shop.url);
    await page.locator('.launcher').waitFor();
    const told = page.evaluate(async (identity) => {
      const okra = (window as any).okra;
      const events: string[] = [];
      for (const name of ['open', 'close', 'message', 'answer', 'error']) okra.on(name, (it: any) => events.push(`${name} ${it?.content ?? ''}`.trim()));
      await okra.identify(identity);
      await okra.send('How do I rinse it?');
      okra.close();
      return events;
    }, identity);
    const expected = ['open', 'message How do I rinse it?', 'answer Rinse it with **cold** water.', 'close'];
    const before = device === 'laptop' ? [expected[1], expected[2]] : []; // what was said on the telephone
    expect((await told).sort()).toEqual([...expected, ...before].sort());
    expect(await page.locator('.panel').isVisible()).toBe(false);
    await page.context().close();
  }
  const { data } = await stage.api('GET', `/chatbot/${bot.id}/conversations`);
  expect(data.filter((it: any) => it.metadata.verified)).toHaveLength(1);
  expect(data.find((it: any) => it.metadata.verified).metadata).toMatchObject({ name: 'Kim', email: 'kim@example.com' });
});

test('an e-mail address is asked for first where the chatbot wants one', async () => {
  const asking = await stage.chatbot({ is_public: true, settings: { isRequestUserInfoEnabled: true } });
  const page = await visit(`${stage.url}/c/${asking.slug}`);
  const email = page.getByRole('textbox', { name: 'Please leave your e-mail address' });
  await email.fill('kim@example.com');
  await page.keyboard.press('Enter');
  await page.getByRole('textbox', { name: 'Write a message' }).fill('How do I rinse it?');
  await page.keyboard.press('Enter');
  await page.locator('.actions').waitFor();
  const { data } = await stage.api('GET', `/chatbot/${asking.id}/conversations`);
  expect(data[0].metadata).toMatchObject({ email: 'kim@example.com' });
  await page.context().close();
});

test('a source opens its passage, also after a reload', async () => {
  await allow(shop.url);
  const page = await visit(shop.url);
  for (const again of [false, true]) {
    await page.getByRole('button', { name: 'Open chat' }).click();
    if (!again) {
      await page.getByRole('textbox', { name: 'Write a message' }).fill('How do I clean my teapot?');
      await page.keyboard.press('Enter');
    }
    await page.getByText('Care', { exact: true }).click();
    await page.getByText('Rinse the teapot with cold water.', { exact: true }).waitFor();
    await page.reload();
  }
  expect(page.said).toEqual([]);
  await page.context().close();
});

test('who asks too fast is asked to wait, and may try again afterwards', async () => {
  await allow(shop.url);
  const page = await visit(shop.url);
  let busy = true;
  await page.route('**/chat', (route) => {
    const headers = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'retry-after', 'retry-after': '1' };
    const body = JSON.stringify({ error: 'You are sending messages very fast.', code: 'rate_limited' });
    return busy && route.request().method() === 'POST' ? route.fulfill({ status: 429, headers, body }) : route.continue();
  });
  await ask(page, 'How do I rinse it?');
  await page.getByText(/^Please wait 1 s/).first().waitFor();
  busy = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.locator('.bot', { hasText: 'Rinse it with cold water.' }).waitFor();
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
  await page.context().close();
  const hidden = await visit(`${stage.url}/c/${bot.slug}`);
  await hidden.getByRole('heading', { name: 'Not found' }).waitFor();
  expect(await hidden.locator('okra-chat').count()).toBe(0);
  await hidden.context().close();
});

test('a preview draws what it is given, follows changes, and asks nobody', async () => {
  const empty = await site('');
  const page = await visit(empty.url);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.setContent('<div style="position: relative; width: 400px; height: 600px" id="place"></div>');
  await page.addScriptTag({ url: `${stage.url}/widget.js` });
  const config = { slug: 's', name: 'One', description: null, avatar: null, greeting: 'Hi!', suggestions: [], asks_email: true, accepts_images: false, offers_person: false, asks_rating: false };
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

test('without a network the chat says so, keeps the question, and asks it once it is back', async () => {
  await allow(shop.url);
  const page = await visit(shop.url);
  await page.getByRole('button', { name: 'Open chat' }).click();
  await page.getByText('Hello! Ask me anything').waitFor();
  await page.waitForLoadState('networkidle');
  await page.context().setOffline(true);
  const box = page.getByRole('textbox', { name: 'Write a message' });
  await box.fill('How do I rinse it?');
  await box.press('Enter');
  await page.getByText('Connection lost. Reconnecting').waitFor();
  await page.context().setOffline(false);
  await page.locator('.bot', { hasText: 'Rinse it with cold water.' }).waitFor();
  expect(await page.locator('.user').count()).toBe(1);
  await page.context().close();
});
