// axe-core finds nothing serious on what visitors see, and the page does not jump or stall.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Stage, site } from './stage';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let stage: Stage;
let slug: string;
let shop: Awaited<ReturnType<typeof site>>;

beforeAll(async () => {
  stage = await Stage.open();
  const bot = await stage.chatbot({ is_public: true });
  slug = bot.slug;
  const { embed } = await stage.api('GET', `/chatbot/${bot.id}/deploy`);
  shop = await site(embed);
  await stage.api('PUT', `/chatbot/${bot.id}/deploy`, { allowed_origins: [shop.url] });
});

afterAll(async () => {
  shop?.close();
  await stage?.stop();
});

async function serious(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => (window as any).axe.run({ include: [['okra-chat']] }));
  return violations
    .filter(({ impact }: { impact: string }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }: any) => `${id}: ${nodes.map((node: any) => node.html).join(' ')}`);
}

test.each(['light', 'dark'] as const)('the chat can be used by everyone (%s)', async (colorScheme) => {
  // Only here the page's policy is put aside: axe is a script from elsewhere.
  const context = await stage.browser.newContext({ colorScheme, bypassCSP: true });
  const page = await context.newPage();
  await page.goto(shop.url);
  await page.getByRole('button', { name: 'Open chat' }).waitFor();
  expect(await serious(page)).toEqual([]);
  await page.goto(`${stage.url}/c/${slug}`);
  await page.getByRole('textbox').waitFor();
  expect(await serious(page)).toEqual([]);
  await page.getByRole('textbox').fill('How do I clean my teapot?');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Copy' }).waitFor();
  expect(await serious(page)).toEqual([]);
  await context.close();
});

test('at twice the size and without motion everything is still there', async () => {
  const context = await stage.browser.newContext({ viewport: { width: 640, height: 400 }, deviceScaleFactor: 2, reducedMotion: 'reduce' });
  const page = await context.newPage();
  await page.goto(shop.url);
  await page.getByRole('button', { name: 'Open chat' }).click();
  const panel = page.locator('.panel');
  await panel.waitFor();
  const box = (await panel.boundingBox())!;
  expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= 640 && box.y + box.height <= 400).toBe(true);
  expect(await panel.evaluate((it) => getComputedStyle(it).animationName)).toBe('none');
  await context.close();
});

test('loading the widget moves nothing on the page', async () => {
  const page = await stage.browser.newPage();
  await page.addInitScript(() => {
    (window as any).shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as any[]) (window as any).shift += entry.value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  await page.goto(shop.url);
  await page.getByRole('button', { name: 'Open chat' }).waitFor();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  expect(await page.evaluate(() => (window as any).shift)).toBe(0);
  await page.close();
});
