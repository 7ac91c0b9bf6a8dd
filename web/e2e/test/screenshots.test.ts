// Pictures of every view, for people to look at: `npm run screenshots -w e2e` in web/.

import { mkdirSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { test } from 'vitest';
import { drawn, join, pages } from './console';
import { converse, furnish, overDays } from './furniture';
import { Stage } from './stage';

const folder = process.env['SCREENSHOTS'];
const SIZES = { phone: { width: 390, height: 780 }, desktop: { width: 1280, height: 900 } };
const THEMES = ['light', 'dark'] as const;

/** Calls `draw` for each size and theme, with what the pictures' names end with. */
async function everyWay(draw: (viewport: { width: number; height: number }, colorScheme: 'light' | 'dark', suffix: string) => Promise<void>): Promise<void> {
  mkdirSync(folder!, { recursive: true });
  for (const [size, viewport] of Object.entries(SIZES)) for (const theme of THEMES) await draw(viewport, theme, `${size}-${theme}`);
}

const take = (page: Page, name: string): Promise<unknown> => page.screenshot({ path: `${folder}/${name}.png` });

/** Makes the window as high as what is in it, so that bars which stick to its edges lie where they end up. */
async function unroll(page: Page): Promise<void> {
  const { width, height } = page.viewportSize()!;
  const whole = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width, height: Math.max(height, whole) });
  await page.evaluate(() => scrollTo(0, 0));
}

test.skipIf(!folder)('what visitors see, in three languages', async () => {
  const stage = await Stage.open();
  const { bot, slug } = await furnish(stage);
  const shop = await stage.shop({ id: bot });
  await everyWay(async (viewport, colorScheme, suffix) => {
    for (const locale of ['en', 'ko', 'ar']) {
      const context = await stage.browser.newContext({ viewport, colorScheme, locale });
      const page = await context.newPage();
      for (const [name, url] of [['widget', shop.url], ['page', `${stage.url}/c/${slug}`]] as const) {
        await page.goto(url);
        if (name === 'widget') {
          await page.evaluate((locale) => (document.documentElement.lang = locale), locale);
          await page.locator('.launcher').waitFor();
          await take(page, `launcher-${suffix}-${locale}`);
          await page.evaluate(() => (window as any).okra.open());
        }
        await page.locator('textarea').waitFor();
        await page.waitForTimeout(300);
        await take(page, `${name}-begin-${suffix}-${locale}`);
        await page.locator('textarea').fill('How do I clean my teapot?');
        await page.locator('textarea').press('Enter');
        await page.locator('.actions').waitFor();
        await page.waitForTimeout(200);
        await take(page, `${name}-answer-${suffix}-${locale}`);
      }
      await context.close();
    }
  });
  shop.close();
  await stage.stop();
}, 300_000);

test.skipIf(!folder)('every page of the console', async () => {
  const stage = await Stage.open();
  const owner = await join(stage, stage.setUpLink);
  const { named, link, slug } = await furnish(stage);
  await overDays(stage, slug);
  await converse(stage, slug, { language: 'en', page: 'https://shop.example/', asks: ['Do you have it in blue?'] });
  await everyWay(async (viewport, colorScheme, suffix) => {
    const signedOut = await stage.browser.newContext({ viewport, colorScheme });
    const signedIn = await stage.browser.newContext({ viewport, colorScheme, storageState: owner });
    for (const view of pages(stage, named, link)) {
      const page = await (view.signedIn ? signedIn : signedOut).newPage();
      await page.goto(view.url);
      await drawn(page);
      await (ACTS[view.name] ?? (() => undefined))(page);
      await unroll(page);
      await take(page, `console-${view.name}-${suffix}`);
      await page.close();
    }
    await signedIn.close();
    await signedOut.close();
  });
  await stage.stop();
}, 300_000);

/** What is done on a page before its picture, so that there is something to see. */
const ACTS: Partial<Record<string, (page: Page) => Promise<void>>> = {
  async retrieval(page) {
    await page.getByLabel('Question').fill('How do I clean my teapot?');
    await page.keyboard.press('Enter');
    await page.getByText('Rinse').first().waitFor();
  },
  async playground(page) {
    await page.getByRole('textbox', { name: 'Ask a question' }).fill('How do I clean my teapot?');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Copy the answer' }).waitFor();
    await page.locator('article table').waitFor();
  },
  appearance: (page) => page.locator('okra-chat .panel').waitFor(),
  async overview(page) {
    await page.locator('canvas').first().waitFor();
    await page.waitForTimeout(300);
  },
};
