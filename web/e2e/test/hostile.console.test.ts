// Nothing that others wrote runs in the console, on whichever page it comes to stand; it is shown as the text that it is.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawn, join, pages, type Named, type SignedIn } from './console';
import { converse } from './furniture';
import { EVIL, EVIL_FILE, LINKS, expectHarmless, post } from './harmless';
import { SITE, Stage, type Heard } from './stage';

const QUESTION = `How do I polish it? ${EVIL}`;

let stage: Stage;
let owner: SignedIn;
/** What nothing of the knowledge answers. */
const VAIN = 'Zanzibar quagga vexing quince <b onmouseover=window.hacked=1>nectar</b>?';
let named: Named;

beforeAll(async () => {
  stage = await Stage.open();
  owner = await join(stage, stage.setUpLink, { name: EVIL.slice(0, 100), email: 'kim@example.com', password: 'a teapot that pours' });
  const snippet = { header: EVIL, slogan: EVIL, name: EVIL };
  const bot = await stage.chatbot({ name: EVIL.slice(0, 100), description: EVIL, is_public: true, settings: { greeting: EVIL, snippet } });
  await stage.api('PATCH', `/chatbot/${bot.id}`, { suggestions: [EVIL] });
  await stage.know(bot.id, { type: 'text', title: EVIL, content: `# ${EVIL}\n\nPolish the teapot with a soft cloth. ${EVIL} ${LINKS}` });
  await stage.upload(bot.id, `polish ${EVIL_FILE}.txt`, 'Polish the teapot lid with wax.');
  stage.model.words = [EVIL, ` ${LINKS}`, '\n\n| a |\n|---|\n| <img src=x onerror=window.hacked=1> |\n\n```html\n<script>window.hacked=1</script>\n```\n'];
  const email = '"<svg/onload=window.hacked=1>"@example.com';
  await converse(stage, bot.slug, { email, language: '"><svg onload=window.hacked=1>', page: 'javascript:window.hacked=1', asks: [QUESTION, EVIL, VAIN] });
  const items = await stage.api('GET', `/chatbot/${bot.id}/knowledge-base?type=text`);
  const conversations = await stage.api('GET', `/chatbot/${bot.id}/conversations`);
  const item = items.data.find(({ title }: { title: string }) => title === EVIL);
  const shop = { type: 'site', address: stage.provider + SITE, name: EVIL.slice(0, 300), options: { exclude: [EVIL] } };
  const source = await stage.api('POST', `/chatbot/${bot.id}/sources`, shop);
  const questions = [{ question: EVIL, item: EVIL, passage: EVIL, answer: EVIL }, { question: QUESTION, expect: 'refusal' }];
  const made = await stage.api('POST', `/chatbot/${bot.id}/evals`, { name: EVIL.slice(0, 100), questions });
  await stage.api('POST', `/chatbot/${bot.id}/evals/${made.data.id}/run`, {});
  const gaps = await stage.api('GET', `/chatbot/${bot.id}/gaps`);
  const gap = gaps.data.find(({ question }: { question: string }) => question === VAIN);
  const listens = { url: 'https://hooks.invalid/<svg onload=window.hacked=1>', description: EVIL.slice(0, 200), events: [] };
  const webhook = await stage.api('POST', '/webhooks', listens);
  named = { chatbot: bot.id, item: item.id, session: conversations.data[0].id, source: source.data.id, eval: made.data.id, gap: gap.id, webhook: webhook.data.id };
});

afterAll(() => stage?.stop());

const visit = (url: string): Promise<Heard> => stage.visit(url, { storageState: owner });

test('no page of the console runs what others wrote, nor what its address or another window says', async () => {
  const { link } = await stage.api('POST', '/people', { email: 'lee@example.com', role: 'agent' });
  for (const { name, url, signedIn } of pages(stage, named, link)) {
    const address = new URL(url);
    for (const parameter of ['query', 'search', 'next', 'view', 'message']) address.searchParams.set(parameter, EVIL);
    if (name !== 'link') address.hash = EVIL;
    const page = await stage.visit(address.href, signedIn ? { storageState: owner } : {});
    await drawn(page);
    await post(page);
    await expectHarmless(page);
    expect(page.said.filter((line) => /Content Security Policy|page error/.test(line)), name).toEqual([]);
    await page.context().close();
  }
}, 120_000);

test('the playground and the retrieval test show passages and answers as text', async () => {
  const page = await visit(`${stage.url}/chatbots/${named.chatbot}/playground`);
  await page.getByRole('textbox', { name: 'Ask a question' }).fill(QUESTION);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Copy the answer' }).waitFor();
  for (const passage of await page.locator('details').all()) await passage.evaluate((it) => ((it as HTMLDetailsElement).open = true));
  await expectHarmless(page);
  expect(await page.locator('.question').innerText()).toContain(EVIL);
  expect(await page.locator('article').last().innerText()).toContain('<script>window.hacked=1</script>');
  expect(await page.locator('details').allInnerTexts()).toContainEqual(expect.stringContaining('<img src=x onerror'));

  await page.goto(`${stage.url}/chatbots/${named.chatbot}/knowledge/test?query=${encodeURIComponent('How do I polish the teapot?')}`);
  await page.getByText('Polish the teapot with a soft cloth.').first().waitFor();
  await expectHarmless(page);
  await page.context().close();
});

test('lists, items and conversations show it as text', async () => {
  const page = await visit(`${stage.url}/chatbots`);
  await page.getByRole('link', { name: '<script>' }).waitFor();
  await page.goto(`${stage.url}/chatbots/${named.chatbot}/knowledge`);
  for (const title of [EVIL, 'window.hacked=1<script>']) await page.getByRole('link', { name: title }).first().waitFor();
  await expectHarmless(page);
  for (const view of ['text', 'passages']) {
    await page.goto(`${stage.url}/chatbots/${named.chatbot}/knowledge/items/${named.item}?view=${view}`);
    await page.getByText('Polish the teapot with a soft cloth.').first().waitFor();
    await page.getByRole('heading', { name: EVIL, level: 1 }).waitFor();
    await expectHarmless(page);
  }
  await page.goto(`${stage.url}/chatbots/${named.chatbot}/conversations/${named.session}`);
  const log = page.getByRole('log');
  await log.getByText(QUESTION).first().waitFor();
  await log.getByText('<script>window.hacked=1</script>').first().waitFor();
  await expectHarmless(page);
  await page.context().close();
});
