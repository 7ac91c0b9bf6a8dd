// The whole way, in one browser after another: from the first start of a server to an agent who reads what a
// visitor asked.

import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OWNER, SIGNED_OUT } from './console';
import { Stage, listening, proxy, site, type Heard } from './stage';

const HANDBOOK = new URL('../../../examples/handbook.pdf', import.meta.url);
const AGENT = { name: 'Lee Agent', email: 'lee@example.com', password: 'another teapot that pours' };
const QUESTION = 'How long do I have to return a machine?';

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterAll(() => stage?.stop());

test('from the set-up link to an agent who reads what a visitor asked', async () => {
  const owner = await listening(await stage.browser.newContext({ viewport: { width: 1280, height: 900 } }));
  await makeTheFirstAccount(owner);
  await makeAChatbot(owner, 'Okra Coffee');
  await dropTheHandbook(owner);
  await askInThePlayground(owner);
  await customise(owner);

  const between = await proxy(stage.url);
  const line = await openDeployment(owner);
  const shop = await site(line.replace(stage.url, between.url));
  await expectBlocked(shop.url);
  await allow(owner, shop.url);

  await openTab(owner, 'Conversations');
  await owner.getByLabel('Platform').selectOption('Website'); // leaves out what was said in the playground
  await owner.getByText('No conversation passes these filters.').waitFor();
  const visitor = await stage.visit(shop.url);
  await askAndLoseTheConnection(visitor, between.restart);
  await readItInTheConsole(owner);
  await goOnWhileItIsRead(visitor, owner);
  await inviteAnAgent(owner);
  expect(owner.said.filter((line) => !SIGNED_OUT.test(line))).toEqual([]);
  shop.close();
  between.close();
}, 120_000);

const openTab = (page: Page, name: string): Promise<void> =>
  page.getByRole('navigation', { name: 'Pages of this chatbot' }).getByRole('link', { name }).click();

async function makeTheFirstAccount(page: Page): Promise<void> {
  await page.goto(stage.url);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.goto(stage.setUpLink);
  await page.getByLabel('Organization').fill('Okra Coffee Machines');
  await page.getByLabel('Your name').fill(OWNER.name);
  await page.getByLabel('E-mail address').fill(OWNER.email);
  await page.getByLabel('Password', { exact: true }).fill(OWNER.password);
  await page.getByRole('button', { name: 'Create the account' }).click();
  await page.getByText('Okra Coffee Machines').waitFor();
  // It works once.
  const again = await stage.visit(stage.setUpLink);
  await again.getByRole('heading', { name: 'This link cannot be used any more' }).waitFor();
  await again.context().close();
}

async function makeAChatbot(page: Page, name: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name: 'Chatbots' }).click();
  await page.getByText('Make your first chatbot').waitFor();
  await page.getByRole('button', { name: 'New chatbot' }).click();
  await page.getByLabel('Name').fill(name);
  await page.keyboard.press('Enter');
  await page.getByText('Give your chatbot something to answer from').waitFor();
}

async function dropTheHandbook(page: Page): Promise<void> {
  const bytes = readFileSync(HANDBOOK).toString('base64');
  const upload = page.waitForRequest((request) => request.url().endsWith('/knowledge-base/files'));
  // The page notes what it shows in between, for that may be gone before anyone looks.
  await page.evaluate((bytes) => {
    const shown = ((window as any).shown = new Set<string>());
    new MutationObserver(() => {
      for (const bar of document.querySelectorAll('progress, [role=progressbar]')) shown.add(bar.getAttribute('aria-label') ?? '');
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(bytes), (byte) => byte.charCodeAt(0))], 'handbook.pdf', { type: 'application/pdf' }));
    for (const type of ['dragenter', 'dragover', 'drop']) {
      document.querySelector('main')!.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));
    }
  }, bytes);
  await upload;
  const row = page.getByRole('listitem').filter({ hasText: 'handbook' });
  await row.getByText('Ready').waitFor();
  await row.getByText(/\d+ passages?/).waitFor();
  expect(await page.evaluate(() => [...(window as any).shown])).toContain('handbook.pdf');
  await page.getByText('Drop files to add them').waitFor({ state: 'detached' });
}

async function askInThePlayground(page: Page): Promise<void> {
  stage.model.words = ['Within **30 days**, ', 'clean and complete.'];
  await openTab(page, 'Playground');
  await page.getByRole('textbox', { name: 'Ask a question' }).fill(QUESTION);
  await page.keyboard.press('Enter');
  const answer = page.getByRole('article').last();
  await answer.getByText('30 days').waitFor();
  await answer.getByRole('group', { name: 'Sources' }).getByRole('button', { name: /handbook/ }).click();
  const how = page.getByRole('complementary', { name: 'How it came about' });
  await how.getByText('a model', { exact: true }).waitFor();
  await how.locator('details[open]').waitFor();
  // What the page says that the model was given, it was given.
  const passage = (await how.locator('details[open] .text').innerText()).split('\n').at(-1)!;
  const given = stage.model.asked.at(-1).messages.map(({ content }: { content: string }) => content).join('\n');
  expect(given.replaceAll(/\s+/g, ' ')).toContain(passage.slice(0, 60));
}

async function customise(page: Page): Promise<void> {
  await openTab(page, 'Behaviour');
  await page.getByLabel('Greeting').fill('Welcome to Okra Coffee!');
  await save(page);
  await openTab(page, 'Appearance');
  await page.getByLabel('Header').fill('Coffee help');
  await page.getByLabel('Main colour', { exact: true }).fill('#7c2d12');
  const preview = page.locator('okra-chat');
  await preview.getByText('Coffee help').waitFor();
  await preview.getByText('Welcome to Okra Coffee!').waitFor();
  await expect.poll(() => preview.locator('header').evaluate((it) => getComputedStyle(it).backgroundColor)).toBe('rgb(124, 45, 18)');
  await save(page);
}

async function save(page: Page): Promise<void> {
  await page.getByText('You have unsaved changes.').waitFor();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('You have unsaved changes.').waitFor({ state: 'hidden' });
}

/** Gives the line that the Deploy page says to embed. */
async function openDeployment(page: Page): Promise<string> {
  await openTab(page, 'Deploy');
  const line = page.getByRole('region', { name: 'Line to embed' });
  await page.getByText('No site may show it yet').waitFor();
  return line.innerText();
}

async function expectBlocked(url: string): Promise<void> {
  const page = await stage.visit(url);
  await expect.poll(() => page.said.join('\n')).toContain(`Add ${url} to its allowed origins`);
  expect(await page.locator('okra-chat .launcher').count()).toBe(0);
  await page.context().close();
}

async function allow(page: Page, url: string): Promise<void> {
  await page.getByLabel('Add a site').fill(url);
  await page.keyboard.press('Enter');
  await page.getByRole('list', { name: 'Allowed sites' }).getByText(url).waitFor();
}

async function askAndLoseTheConnection(page: Heard, restart: () => void): Promise<void> {
  await page.getByRole('button', { name: 'Open chat' }).click();
  await page.getByText('Welcome to Okra Coffee!').waitFor();
  const box = page.getByRole('textbox', { name: 'Write a message' });
  await box.fill(QUESTION);
  await box.press('Enter');
  await page.locator('.bot', { hasText: 'Within 30 days, clean and complete.' }).waitFor();

  await page.reload();
  await page.getByRole('button', { name: 'Open chat' }).click();
  await page.locator('.user', { hasText: QUESTION }).waitFor();
  stage.model.held = true;
  await box.fill('What does express shipping cost?');
  await box.press('Enter');
  const answers = page.locator('.bot', { hasText: 'Within 30 days' });
  await expect.poll(() => answers.count()).toBe(2);
  restart();
  await page.getByText('Connection lost. Reconnecting').waitFor();
  await expect.poll(() => page.getByText('Connection lost').count()).toBe(0);
  stage.model.release();
  await answers.last().getByText('clean and complete.').waitFor();
  expect(await answers.count()).toBe(2);
}

/** The page was open before anyone asked. */
async function readItInTheConsole(page: Page): Promise<void> {
  await page.getByRole('link', { name: /^Visitor \w{4} / }).click();
  const log = page.getByRole('log', { name: 'Messages' });
  await log.getByText('What does express shipping cost?').waitFor();
  expect(await log.getByRole('article').count()).toBe(4);
  await log.getByRole('list', { name: 'Sources' }).first().getByRole('button', { name: /handbook/ }).click();
  await page.getByRole('dialog').getByText('30 days').first().waitFor();
  await page.keyboard.press('Escape');
}

async function goOnWhileItIsRead(visitor: Page, reader: Page): Promise<void> {
  const box = visitor.getByRole('textbox', { name: 'Write a message' });
  await box.fill('Thank you!');
  await box.press('Enter');
  await reader.getByRole('log', { name: 'Messages' }).getByText('Thank you!').waitFor();
  await expect.poll(() => reader.getByRole('log', { name: 'Messages' }).getByRole('article').count()).toBe(6);
  await visitor.context().close();
}

async function inviteAnAgent(owner: Page): Promise<void> {
  await owner.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name: 'Settings' }).click();
  await owner.getByRole('link', { name: 'People' }).click();
  await owner.getByRole('button', { name: 'Invite someone' }).click();
  await owner.getByLabel('E-mail address').fill(AGENT.email);
  await owner.getByLabel('Role', { exact: true }).selectOption('agent');
  await owner.getByRole('button', { name: 'Make the invitation' }).click();
  const link = await owner.getByRole('region', { name: `Link for ${AGENT.email}` }).innerText();
  await owner.getByRole('button', { name: 'Done' }).click();

  const agent = await stage.visit(link);
  await agent.getByRole('heading', { name: 'Join Okra Coffee Machines' }).waitFor();
  await agent.getByLabel('Your name').fill(AGENT.name);
  await agent.getByLabel('Password', { exact: true }).fill(AGENT.password);
  await agent.getByRole('button', { name: 'Join' }).click();
  await agent.getByRole('navigation', { name: 'Main navigation' }).waitFor();
  await signOutAndIn(agent);
  await expectAnAgentsView(agent);
  expect(agent.said.filter((line) => !SIGNED_OUT.test(line))).toEqual([expect.stringMatching(/403 .*\/api\/external\/keys$/)]);
  await agent.context().close();
}

async function signOutAndIn(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Account and appearance' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.getByLabel('E-mail address').fill(AGENT.email);
  await page.getByLabel('Password', { exact: true }).fill(AGENT.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

async function expectAnAgentsView(page: Page): Promise<void> {
  await page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name: 'Chatbots' }).click();
  await page.getByRole('link', { name: 'Okra Coffee' }).waitFor();
  expect(await page.getByRole('button', { name: 'New chatbot' }).count()).toBe(0);
  await page.getByRole('link', { name: 'Okra Coffee' }).click();
  await page.getByText('handbook').first().waitFor();
  expect(await page.getByRole('button', { name: 'Upload files' }).count()).toBe(0);
  await openTab(page, 'Conversations');
  await page.getByRole('link', { name: /^Visitor \w{4} / }).click();
  await page.getByRole('log', { name: 'Messages' }).getByText('Thank you!').waitFor();
  await page.goto(`${stage.url}/settings/keys`);
  await page.getByRole('heading', { name: 'This page is not for your role' }).waitFor();
  // What the page does not offer, the server does not do.
  const refused = await page.evaluate(async () => (await fetch('/api/external/keys')).status);
  expect(refused).toBe(403);
}
