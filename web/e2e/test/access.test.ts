// axe-core finds nothing serious on what visitors see, and the page does not jump or stall.

import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AXE, serious } from './axe';
import { Stage } from './stage';

let stage: Stage;
let slug: string;
let shop: Awaited<ReturnType<Stage['shop']>>;

beforeAll(async () => {
  stage = await Stage.open();
  const bot = await stage.chatbot({ is_public: true });
  slug = bot.slug;
  shop = await stage.shop(bot);
});

afterAll(async () => {
  shop?.close();
  await stage?.stop();
});

test.each(['light', 'dark'] as const)('the chat can be used by everyone (%s)', async (colorScheme) => {
  const context = await stage.browser.newContext({ colorScheme });
  await context.addInitScript(AXE);
  const page = await context.newPage();
  await page.goto(shop.url);
  await page.getByRole('button', { name: 'Open chat' }).waitFor();
  expect(await serious(page, 'okra-chat')).toEqual([]);
  await page.goto(`${stage.url}/c/${slug}`);
  await page.getByRole('textbox').waitFor();
  expect(await serious(page, 'okra-chat')).toEqual([]);
  await page.getByRole('textbox').fill('How do I clean my teapot?');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Copy' }).waitFor();
  expect(await serious(page, 'okra-chat')).toEqual([]);
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

/** Loads a page under a trace; gives what its main thread did and how much its layout moved. */
async function traced(url: string, ready: (page: Page) => Promise<void>): Promise<{ longest: number; shift: number }> {
  const context = await stage.browser.newContext();
  const page = await context.newPage();
  await stage.browser.startTracing(page, { categories: ['toplevel', 'loading', '__metadata'] });
  await page.goto(url);
  await ready(page);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  const { traceEvents } = JSON.parse((await stage.browser.stopTracing()).toString());
  await context.close();
  const main = new Set(
    traceEvents
      .filter((event: any) => event.name === 'thread_name' && event.args.name === 'CrRendererMain')
      .map((event: any) => `${event.pid}/${event.tid}`),
  );
  // Processor time, which a busy machine does not lengthen; tasks of the browser's own are among them.
  const tasks = traceEvents.filter((event: any) => event.ph === 'X' && event.tdur > 0 && main.has(`${event.pid}/${event.tid}`));
  const shifts = traceEvents.filter((event: any) => event.name === 'LayoutShift');
  expect(tasks.length).toBeGreaterThan(10);
  return {
    longest: Math.max(...tasks.map((event: any) => event.tdur)) / 1000,
    shift: shifts.reduce((sum: number, event: any) => sum + event.args.data.score, 0),
  };
}

test('loading the widget moves nothing on the page, and no task takes longer than 50 ms', async () => {
  const { longest, shift } = await traced(shop.url, async (page) => {
    await page.getByRole('button', { name: 'Open chat' }).click();
    await page.getByRole('textbox').waitFor();
  });
  expect(shift).toBe(0);
  expect(longest).toBeLessThan(50);
});

test('loading the hosted page moves nothing, and no task takes longer than 50 ms', async () => {
  const { longest, shift } = await traced(`${stage.url}/c/${slug}`, (page) => page.getByRole('textbox').waitFor());
  expect(shift).toBe(0);
  expect(longest).toBeLessThan(50);
});
