// What others wrote runs nowhere: builders, documents, models, visitors, addresses and other windows.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { EVIL, EVIL_FILE, LINKS, expectHarmless, post } from './harmless';
import { Stage } from './stage';

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterAll(async () => {
  await stage?.stop();
});

test.each(['page', 'widget'])('nothing that others wrote runs on the %s', async (where) => {
  const bot = await stage.chatbot({
    name: EVIL,
    description: EVIL,
    is_public: true,
    settings: { greeting: EVIL, snippet: { header: EVIL, slogan: EVIL, name: EVIL } },
  });
  await stage.api('PATCH', `/chatbot/${bot.id}`, { suggestions: [EVIL] });
  await stage.know(bot.id, { type: 'text', title: EVIL, content: `Polish the teapot with a soft cloth. ${EVIL} ${LINKS}` });
  await stage.upload(bot.id, `polish ${EVIL_FILE}.txt`, 'Polish the teapot lid with wax.');
  const shop = await stage.shop(bot);
  stage.model.words = [EVIL, ` ${LINKS}`, '\n\n| a |\n|---|\n| <img src=x onerror=window.hacked=1> |\n\n```html\n<script>window.hacked=1</script>\n```\n'];

  const url = where === 'page' ? `${stage.url}/c/${bot.slug}` : shop.url;
  const page = await stage.visit(`${url}#${EVIL}`);
  await post(page);
  if (where === 'widget') await page.locator('.launcher').click();
  const box = page.locator('textarea');
  await box.fill(`How do I polish it? ${EVIL}`);
  await page.locator('input[type=file]').setInputFiles({ name: `${EVIL_FILE}.png`, mimeType: 'image/png', buffer: stage.photo });
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
