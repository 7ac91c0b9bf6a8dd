// Evals, archives and spreadsheets of Q&A pairs in the console: made, run, compared, taken out and in.

import { writeFileSync, readFileSync } from 'node:fs';
import { join as pathOf } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SIGNED_OUT, join, type SignedIn } from './console';
import { furnish, type Furniture } from './furniture';
import { Stage, listening, type Heard } from './stage';

let stage: Stage;
let owner: SignedIn;
let furniture: Furniture;

beforeAll(async () => {
  stage = await Stage.open();
  owner = await join(stage, stage.setUpLink);
  furniture = await furnish(stage);
});

afterAll(() => stage?.stop());

const open = async (path: string): Promise<Heard> => {
  const page = await listening(await stage.browser.newContext({ viewport: { width: 1280, height: 900 }, storageState: owner }));
  await page.goto(stage.url + path);
  return page;
};
const quiet = (page: Heard): void => expect(page.said.filter((line) => !SIGNED_OUT.test(line))).toEqual([]);

test('a drafted eval is run, changed and compared', async () => {
  const page = await open(`/chatbots/${furniture.bot}/evals`);
  await page.getByRole('button', { name: 'New eval' }).click();
  await page.getByLabel('Name').fill('First set');
  await page.getByText(/questions? (was|were) found/).waitFor();
  await page.getByRole('button', { name: 'Create' }).click();
  await page.getByText('Not run yet').waitFor();
  await page.getByRole('button', { name: 'Run' }).click();
  await page.getByText('This is the first run').waitFor();
  await page.getByText('Place 1').first().waitFor();

  await page.getByRole('button', { name: 'Add question' }).click();
  await page.getByRole('textbox', { name: 'Question' }).fill('Who won the football match?');
  await page.getByLabel('It must not be answered').check();
  await page.keyboard.press('Enter');
  await page.getByText('must not be answered').waitFor();
  await page.getByRole('button', { name: 'Run' }).click();
  await page.getByText('Nothing changed since the run before.').waitFor();
  await page.getByText('Refused', { exact: true }).waitFor();

  // Nothing answers there, and if something did, it would not be a reranker.
  const reranker = `/chatbot/${furniture.bot}/reranker`;
  await stage.api('PUT', reranker, { base_url: 'http://127.0.0.1:11434/v1', model: 'none' });
  await page.getByRole('button', { name: 'Run' }).click();
  await page.getByText(/scores are not the chatbot’s own: \d+\. The reranker failed/).waitFor();
  await stage.api('DELETE', reranker);
  quiet(page);
  await page.context().close();
}, 60_000);

test('a chatbot goes out as a file and comes in again', async () => {
  const page = await open('/chatbots');
  await page.getByRole('button', { name: 'More for Teapot shop' }).click();
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: 'Export' }).click()]);
  const file = pathOf(stage.folder, 'teapots.zip');
  await saved.saveAs(file);
  expect(saved.suggestedFilename()).toMatch(/^teapot-shop-\d{4}-\d\d-\d\d\.zip$/);

  await page.getByRole('button', { name: 'Import' }).click();
  await page.getByLabel('File').setInputFiles(file);
  await page.getByLabel('Name').fill('Teapots again');
  await page.getByRole('dialog').getByRole('button', { name: 'Import' }).click();
  await page.getByText('Teapots again was imported.').waitFor();
  await page.getByRole('link', { name: 'Open' }).click();
  await page.getByRole('link', { name: /handbook\.md/ }).waitFor();

  writeFileSync(file, readFileSync(file).subarray(0, 400));
  await page.goto(`${stage.url}/chatbots`);
  await page.getByRole('button', { name: 'Import' }).click();
  await page.getByLabel('File').setInputFiles(file);
  await page.getByRole('dialog').getByRole('button', { name: 'Import' }).click();
  await page.getByText('ends too early').waitFor();
  await page.context().close();
}, 60_000);

test('pairs come from a spreadsheet, and each line that does not is told', async () => {
  const page = await open(`/chatbots/${furniture.bot}/knowledge`);
  const menu = page.getByRole('button', { name: 'Q&A as CSV' });
  await menu.click();
  await page.getByRole('menuitem', { name: 'Import Q&A (CSV)' }).click();
  const csv = 'question,answer\nDo you gift-wrap?,Yes.\nDo you engrave?,\n';
  await page.getByLabel('File').setInputFiles({ name: 'pairs.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
  await page.getByRole('button', { name: 'Import' }).click();
  await page.getByText('Added: 1. Changed: 0. Already there: 0. Refused: 1.').waitFor();
  await page.getByText('It has no answer.').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
  await page.getByRole('link', { name: /Do you gift-wrap/ }).waitFor();
  await menu.click();
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: 'Export Q&A (CSV)' }).click()]);
  expect(readFileSync(await saved.path(), 'utf8')).toContain('Do you gift-wrap?,Yes.');
  quiet(page);
  await page.context().close();
}, 60_000);
