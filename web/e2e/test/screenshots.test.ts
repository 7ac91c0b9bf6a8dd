// Pictures of what visitors see, for people to look at: `npm run screenshots -w e2e` in web/.

import { mkdirSync } from 'node:fs';
import { test } from 'vitest';
import { Stage } from './stage';

const folder = process.env['SCREENSHOTS'];
const PHONE = { width: 390, height: 780 };
const DESKTOP = { width: 1100, height: 800 };
const ANSWER = [
  '**Rinse it with cold water** after each use:\n\n1. Empty it.\n2. Rinse it *without soap*.\n3. Let it dry with the lid off.\n\n',
  '| Material | Soap |\n|---|---|\n| Clay | never |\n| Glass | a little |\n\nSee [our guide](https://shop.example/care) or run `teapot --clean`.',
];

test.skipIf(!folder)('every view, light and dark, wide and narrow, in three languages', async () => {
  mkdirSync(folder!, { recursive: true });
  const stage = await Stage.open();
  stage.model.words = ANSWER;
  const bot = await stage.chatbot({ is_public: true });
  const shop = await stage.shop(bot);
  for (const [size, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const locale of ['en', 'ko', 'ar']) {
        const context = await stage.browser.newContext({ viewport, colorScheme, locale });
        const page = await context.newPage();
        const picture = (name: string): Promise<unknown> =>
          page.screenshot({ path: `${folder}/${name}-${size}-${colorScheme}-${locale}.png` });
        for (const [name, url] of [['widget', shop.url], ['page', `${stage.url}/c/${bot.slug}`]] as const) {
          await page.goto(url);
          if (name === 'widget') {
            await page.evaluate((locale) => (document.documentElement.lang = locale), locale);
            await page.locator('.launcher').waitFor();
            await picture('launcher');
            await page.evaluate(() => (window as any).okra.open());
          }
          await page.locator('textarea').waitFor();
          await page.waitForTimeout(300);
          await picture(`${name}-begin`);
          await page.locator('textarea').fill('How do I clean my teapot?');
          await page.locator('textarea').press('Enter');
          await page.locator('.actions').waitFor();
          await page.waitForTimeout(200);
          await picture(`${name}-answer`);
        }
        await context.close();
      }
    }
  }
  shop.close();
  await stage.stop();
}, 300_000);
