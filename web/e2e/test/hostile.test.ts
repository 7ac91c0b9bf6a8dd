// What others wrote runs nowhere: builders, documents, models, visitors, addresses and other windows.

import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Stage } from './stage';

const EVIL = `"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script><svg onload=window.hacked=1>`;
const LINKS = '[a](javascript:window.hacked=1) ![b](x" onerror="window.hacked=1) <a href="javascript:window.hacked=1">c</a> [d](data:text/html,<script>parent.hacked=1</script>)';

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterAll(async () => {
  await stage?.stop();
});

/** Nothing ran, and nothing of it became an element. */
async function expectHarmless(page: Page): Promise<void> {
  expect(await page.evaluate(() => (window as any).hacked)).toBeUndefined();
  for (const element of ['img[onerror]', 'script:not([src])', 'svg[onload]', 'a[href^="javascript"]', 'a[href^="data"]', 'iframe']) {
    expect(await page.locator(element).count(), element).toBe(0);
  }
}

test.each(['page', 'widget'])('nothing that others wrote runs on the %s', async (where) => {
  const bot = await stage.chatbot({
    name: EVIL,
    description: EVIL,
    is_public: true,
    settings: { greeting: EVIL, snippet: { header: EVIL, slogan: EVIL, name: EVIL } },
  });
  await stage.api('PATCH', `/chatbot/${bot.id}`, { suggestions: [EVIL] });
  await stage.know(bot.id, { type: 'text', title: EVIL, content: `Polish the teapot with a soft cloth. ${EVIL} ${LINKS}` });
  await stage.upload(bot.id, `polish ${EVIL.replaceAll('/', '')}.txt`, 'Polish the teapot lid with wax.');
  const shop = await stage.shop(bot);
  stage.model.words = [EVIL, ` ${LINKS}`, '\n\n| a |\n|---|\n| <img src=x onerror=window.hacked=1> |\n\n```html\n<script>window.hacked=1</script>\n```\n'];

  const url = where === 'page' ? `${stage.url}/c/${bot.slug}` : shop.url;
  const page = await stage.visit(`${url}#${EVIL}`);
  for (const message of [EVIL, { type: 'okra', action: 'send', content: EVIL }, JSON.stringify({ okra: EVIL })]) {
    await page.evaluate((message) => window.postMessage(message, '*'), message);
  }
  if (where === 'widget') await page.locator('.launcher').click();
  const box = page.locator('textarea');
  await box.fill(`How do I polish it? ${EVIL}`);
  await page.locator('input[type=file]').setInputFiles({ name: `${EVIL.replaceAll('/', '')}.png`, mimeType: 'image/png', buffer: stage.photo });
  await page.locator('.waiting .ready').waitFor();
  await expectHarmless(page);
  await box.press('Enter');
  await page.locator('.actions').waitFor();
  for (const source of await page.locator('summary').all()) await source.click();
  await expectHarmless(page);
  // Shown as the text that it is; and no message of another window was taken for the visitor's.
  expect(await page.locator('.user .text').allInnerTexts()).toEqual([`How do I polish it? ${EVIL}`]);
  expect(await page.locator('.bot').first().innerText()).toContain('<script>');
  await page.reload();
  if (where === 'widget') await page.locator('.launcher').click();
  await page.locator('.actions').waitFor();
  await expectHarmless(page);
  await page.context().close();
  shop.close();
});
