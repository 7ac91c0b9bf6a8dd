// The loop that makes chatbots better: what was asked in vain is listed, drafted, approved, and found.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { SIGNED_OUT, join } from './console';
import { converse } from './furniture';
import { focusBy } from './keyboard';
import { Stage, listening } from './stage';

const LIDS = 'Do you repair broken lids?';

let stage: Stage;
let bot: { id: string; slug: string };

beforeAll(async () => {
  stage = await Stage.open();
  bot = await stage.chatbot({ is_public: true });
  for (const asks of [[LIDS], [LIDS], ['Who won the football match?', LIDS]]) await converse(stage, bot.slug, { language: 'en', page: 'https://shop.example/', asks });
});

afterAll(() => stage?.stop());

test('a question that was asked in vain gets an answer, which is found', async () => {
  const storageState = await join(stage, stage.setUpLink);
  const page = await listening(await stage.browser.newContext({ storageState, viewport: { width: 1280, height: 900 } }));
  await page.goto(`${stage.url}/chatbots/${bot.id}/gaps`);
  await page.getByText('Open (2)').waitFor();
  const row = page.getByRole('row').filter({ hasText: LIDS });
  await row.getByText('3 times').waitFor();
  await page.getByRole('row').filter({ hasText: 'football' }).getByText('Once').waitFor();
  await focusBy(page, 'Tab', row.getByRole('link', { name: LIDS }));
  await page.keyboard.press('Enter');

  // Nothing answers it yet.
  const again = page.getByRole('button', { name: 'Test again' });
  await focusBy(page, 'Tab', again);
  await page.keyboard.press('Enter');
  await page.getByRole('region', { name: 'Test again' }).getByText('No', { exact: true }).waitFor();

  stage.model.words = ['Q: Do you repair lids?\n', 'A: We repair every broken lid for [price].'];
  await focusBy(page, 'Tab', page.getByRole('button', { name: 'Draft by the model' }));
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Look the draft through' });
  const answer = dialog.getByRole('textbox', { name: 'Answer' });
  await answer.waitFor();
  expect(await dialog.getByRole('textbox', { name: 'Question' }).inputValue()).toBe('Do you repair lids?');
  expect(await answer.inputValue()).toBe('We repair every broken lid for [price].');
  // A draft answers nobody.
  expect((await stage.api('GET', `/chatbot/${bot.id}/knowledge-base?type=qna`)).data).toEqual([]);
  await focusBy(page, 'Tab', answer);
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('We repair every broken lid for 5 euros.');
  await focusBy(page, 'Tab', dialog.getByRole('button', { name: 'Approve' }));
  await page.keyboard.press('Enter');

  // It is tested by itself once it is read, and again when somebody wishes it.
  await page.getByText('Every question finds the answer now, so this is resolved.').waitFor();
  const region = page.getByRole('region', { name: 'Test again' });
  await region.getByText('Place 1').waitFor();
  await region.getByText('Yes', { exact: true }).waitFor();
  await focusBy(page, 'Shift+Tab', again);
  await page.keyboard.press('Enter');
  await page.getByText('Every question finds the answer.', { exact: true }).waitFor();
  await page.getByText('We repair every broken lid for 5 euros.').waitFor();
  await page.getByRole('link', { name: 'All unanswered questions' }).click();
  await page.getByText('Open (1)').waitFor();
  await page.getByText('Resolved (1)').waitFor();
  expect(await page.getByRole('row').filter({ hasText: LIDS }).count()).toBe(0);

  // The next visitor's question is answered from it.
  const { results } = await stage.api('POST', `/chatbot/${bot.id}/query-knowledge`, { query: LIDS });
  expect(results[0].content).toContain('5 euros');
  stage.model.words = ['For 5 euros, ', 'gladly [1].'];
  await converse(stage, bot.slug, { language: 'en', page: 'https://shop.example/', asks: [LIDS] });
  await page.reload();
  await page.getByText('Open (1)').waitFor();
  expect(page.said.filter((line) => !SIGNED_OUT.test(line))).toEqual([]);
  await page.context().close();
}, 90_000);
