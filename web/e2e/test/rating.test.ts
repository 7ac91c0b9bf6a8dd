// Stars for a whole conversation: a visitor ends it and rates it, with the keyboard alone, and agents see it.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { join } from './console';
import { focusBy } from './keyboard';
import { Stage, listening } from './stage';

let stage: Stage;
let bot: { id: string; slug: string };

beforeAll(async () => {
  stage = await Stage.open();
  bot = await stage.chatbot({ is_public: true });
  await stage.api('PATCH', `/chatbot/${bot.id}`, { settings: { isRatingEnabled: true } });
});

afterAll(() => stage?.stop());

test('a visitor ends a conversation and rates it, and an agent reads why', async () => {
  const page = await stage.visit(`${stage.url}/c/${bot.slug}`);
  const box = page.getByRole('textbox', { name: 'Write a message' });
  const end = page.getByRole('button', { name: 'End conversation' });
  await box.waitFor();
  expect(await end.count()).toBe(0);
  await focusBy(page, 'Tab', box);
  await page.keyboard.type('How do I clean my teapot?');
  await page.keyboard.press('Enter');
  await page.locator('.bot strong', { hasText: 'cold' }).waitFor();

  await focusBy(page, 'Shift+Tab', end);
  await page.keyboard.press('Enter');
  const stars = page.getByRole('group', { name: 'How was this conversation?' });
  const star = (number: number) => stars.getByRole('radio', { name: `${number} of 5` });
  await focusBy(page, 'Tab', star(1));
  await page.keyboard.press('Space');
  for (const next of [2, 3, 4, 5]) {
    await page.keyboard.press('ArrowRight');
    expect(await star(next).isChecked()).toBe(true);
  }
  await page.keyboard.press('ArrowLeft');
  expect(await star(4).isChecked()).toBe(true);
  expect(await stars.locator('label.on').count()).toBe(4);
  await focusBy(page, 'Tab', page.getByRole('textbox', { name: 'Why? (optional)' }));
  await page.keyboard.type('Quick, and <i>kind</i>');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByText('Thank you for your rating.').waitFor();
  const { data } = await stage.api('GET', `/chatbot/${bot.id}/conversations`);
  expect(data[0].state).toBe('resolved');
  const path = `/chatbot/${bot.id}/conversations/${data[0].id}/rating`;
  expect((await stage.api('GET', path)).rating).toMatchObject({ score: 4, comment: 'Quick, and <i>kind</i>' });

  await page.reload();
  await page.getByText('Thank you for your rating.').waitFor();
  const storageState = await join(stage, stage.setUpLink);
  const agent = await listening(await stage.browser.newContext({ storageState, viewport: { width: 1280, height: 900 } }));
  await agent.goto(`${stage.url}/chatbots/${bot.id}/conversations/${data[0].id}`);
  await agent.getByText('Quick, and <i>kind</i>').waitFor();
  await agent.context().close();

  // Whoever writes again has not settled it, and may rate it anew once they have.
  await box.fill('And with soap?');
  await box.press('Enter');
  await expect.poll(() => page.locator('.bot strong', { hasText: 'cold' }).count()).toBe(2);
  expect(await page.getByText('Thank you for your rating.').count()).toBe(0);
  await end.click();
  await star(2).check({ force: true });
  await page.locator('.rating').getByRole('button', { name: 'Send' }).click();
  await page.getByText('Thank you for your rating.').waitFor();
  expect((await stage.api('GET', path)).rating).toMatchObject({ score: 2, comment: null });
  expect(page.said.filter((line) => !line.includes('favicon.ico'))).toEqual([]);
  await page.context().close();
});

test('where ratings are off nobody is asked for one', async () => {
  const other = await stage.chatbot({ is_public: true });
  const page = await stage.visit(`${stage.url}/c/${other.slug}`);
  const box = page.getByRole('textbox', { name: 'Write a message' });
  await box.fill('How do I clean my teapot?');
  await box.press('Enter');
  await page.locator('.bot strong', { hasText: 'cold' }).waitFor();
  expect(await page.getByRole('button', { name: 'End conversation' }).count()).toBe(0);
  expect(await page.locator('.rating').count()).toBe(0);
  await page.context().close();
});
