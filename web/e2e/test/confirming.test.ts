// The card by which a visitor confirms what changes something, or does not: with the keyboard alone.

import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { focusBy, isFocused } from './keyboard';
import { CANCEL, Stage } from './stage';

let stage: Stage;
let shop: Awaited<ReturnType<Stage['shop']>>;
let bot: { id: string; slug: string };

beforeAll(async () => {
  stage = await Stage.open();
  await stage.api('PUT', '/tools/cancel_order', {
    title: 'Cancel an order',
    description: 'Cancels an order of the visitor.',
    method: 'POST',
    url: stage.provider + CANCEL,
    parameters: { properties: { order_id: { type: 'string' } }, required: ['order_id'] },
  });
  bot = await stage.chatbot();
  await stage.api('PATCH', `/chatbot/${bot.id}`, { settings: { tools: ['cancel_order'] } });
  shop = await stage.shop(bot);
});

afterAll(async () => {
  shop?.close();
  await stage?.stop();
});

beforeEach(() => void stage.model.cancelled.splice(0));

/** Has the chatbot ask a new visitor whether it shall cancel an order. */
async function asked(): Promise<Awaited<ReturnType<Stage['visit']>>> {
  const page = await stage.visit(shop.url);
  stage.model.calls = [{ name: 'cancel_order', arguments: { order_id: 'K-7 <b>bold</b>' } }];
  stage.model.words = ['Shall I cancel ', 'order K-7?'];
  await focusBy(page, 'Tab', page.getByRole('button', { name: 'Open chat' }));
  await page.keyboard.press('Enter');
  const box = page.getByRole('textbox', { name: 'Write a message' });
  await expect.poll(() => isFocused(box)).toBe(true);
  await page.keyboard.type('Please cancel order K-7.');
  await page.keyboard.press('Enter');
  return page;
}

const card = (page: Page) => page.getByRole('group', { name: 'Is that right?' });

/** What was said in the only conversation of a visitor who wrote that last. */
async function conversation(last: string): Promise<any[]> {
  const { data } = await stage.api('GET', `/chatbot/${bot.id}/conversations`);
  for (const { id } of data) {
    const { data: messages } = await stage.api('GET', `/chatbot/${bot.id}/conversations/${id}/messages`);
    if (messages.some(({ content }: { content: string }) => content === last)) return messages;
  }
  throw new Error(`nobody said ${last}`);
}

test('what is confirmed is done once, and said', async () => {
  const page = await asked();
  await card(page).getByText('Cancel an order').waitFor();
  // What would be sent is shown as it is, and is no markup.
  await card(page).getByText('K-7 <b>bold</b>', { exact: true }).waitFor();
  expect(stage.model.cancelled).toEqual([]);

  // Whoever looks away and comes back is asked still.
  await page.reload();
  await page.getByRole('button', { name: 'Open chat' }).click();
  await card(page).waitFor();
  stage.model.words = ['Order K-7 ', 'is cancelled.'];
  await focusBy(page, 'Shift+Tab', card(page).getByRole('button', { name: 'Confirm' }));
  await page.keyboard.press('Enter');
  const log = page.getByRole('log');
  await log.getByText('Order K-7 is cancelled.').waitFor();
  await log.getByText('Yes, do it: Cancel an order').waitFor();
  await log.getByText('Done: Cancel an order').waitFor();
  expect(await card(page).count()).toBe(0);
  expect(stage.model.cancelled).toEqual([{ order_id: 'K-7 <b>bold</b>' }]);
  expect(await isFocused(page.getByRole('textbox', { name: 'Write a message' }))).toBe(true);

  await page.reload();
  await page.getByRole('button', { name: 'Open chat' }).click();
  await log.getByText('Done: Cancel an order').waitFor();
  expect(await card(page).count()).toBe(0);
  const messages = await conversation('Order K-7 is cancelled.');
  expect(messages.map(({ tool_calls }) => tool_calls?.[0].state ?? null)).toEqual([null, 'awaiting_confirmation', null, 'called']);
  expect(messages[3].tool_results[0]).toMatchObject({ failed: false });
  expect(page.said).toEqual([]);
  await page.context().close();
});

test('what is declined is not done, and the conversation goes on', async () => {
  const page = await asked();
  stage.model.words = ['All right, ', 'it stays.'];
  await focusBy(page, 'Shift+Tab', card(page).getByRole('button', { name: 'No, don’t' }));
  await page.keyboard.press('Space');
  const log = page.getByRole('log');
  await log.getByText('All right, it stays.').waitFor();
  await log.getByText('No, please don’t.').waitFor();
  expect(await card(page).count()).toBe(0);
  const box = page.getByRole('textbox', { name: 'Write a message' });
  expect(await isFocused(box)).toBe(true);
  await page.keyboard.type('How do I clean my teapot?');
  await page.keyboard.press('Enter');
  await expect.poll(() => log.getByText('All right, it stays.').count()).toBe(2);
  expect(stage.model.cancelled).toEqual([]);
  const messages = await conversation('No, please don’t.');
  expect(messages[1].tool_calls[0].state).toBe('awaiting_confirmation');
  expect(messages[1].tool_results).toEqual([]);
  expect(page.said).toEqual([]);
  await page.context().close();
});
