// A visitor and a person: asking for one in the widget, the inbox in which they answer, and back to the chatbot.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { join } from './console';
import { focusBy, isFocused } from './keyboard';
import { Stage, listening } from './stage';

let stage: Stage;
let shop: Awaited<ReturnType<Stage['shop']>>;
let bot: { id: string; slug: string };
/** The browser of the owner, once there is one. */
let owner: Awaited<ReturnType<typeof join>>;

beforeAll(async () => {
  stage = await Stage.open();
  bot = await stage.chatbot();
  shop = await stage.shop(bot);
});

afterAll(async () => {
  shop?.close();
  await stage?.stop();
});

test('an answer that there is none has the button for a person right under it', async () => {
  const visitor = await stage.visit(shop.url);
  await visitor.getByRole('button', { name: 'Open chat' }).click();
  const log = visitor.getByRole('log');
  const box = visitor.getByRole('textbox', { name: 'Write a message' });
  const everywhere = visitor.getByRole('button', { name: 'Talk to a person' });
  const offered = log.getByRole('button', { name: 'Talk to a person' });
  const ask = async (question: string, ...words: string[]): Promise<void> => {
    stage.model.words = words;
    await box.fill(question);
    await box.press('Enter');
  };
  await ask('Do you repair kettles?', 'That I do not know. ', '[none]');
  await offered.waitFor();
  expect(await everywhere.count()).toBe(1);
  await ask('How do I clean my teapot?', 'Under the tap.');
  await log.getByText('Under the tap.').waitFor();
  await expect.poll(() => offered.count()).toBe(0);
  expect(await everywhere.count()).toBe(1);
  await ask('And do you repair them?', 'That I do not know either. ', '[none]');
  await offered.waitFor();
  await visitor.reload();
  await visitor.getByRole('button', { name: 'Open chat' }).click();
  await offered.waitFor();
  await focusBy(visitor, 'Shift+Tab', offered);
  await visitor.keyboard.press('Enter');
  await visitor.getByText('You are waiting for a person.').waitFor();
  expect(await everywhere.count()).toBe(0);
  expect(await isFocused(box)).toBe(true);
  expect(visitor.said).toEqual([]);
  await visitor.context().close();
}, 60_000);

test('a visitor asks for a person, who answers in the inbox and hands the conversation back', async () => {
  stage.model.words = ['Rinse it ', 'with cold water.'];
  const visitor = await stage.visit(shop.url);
  await visitor.getByRole('button', { name: 'Open chat' }).click();
  const log = visitor.getByRole('log');
  const box = visitor.getByRole('textbox', { name: 'Write a message' });
  await box.fill('How do I clean my teapot?');
  await box.press('Enter');
  await log.getByText('Rinse it with cold water.').waitFor();
  await visitor.getByRole('button', { name: 'Talk to a person' }).click();
  await visitor.getByText('You are waiting for a person.').waitFor();

  owner = await join(stage, stage.setUpLink, { name: 'Kim Owner', email: 'kim@example.com', password: 'a teapot that pours', organization: 'Teapots' } as never);
  const agent = await listening(await stage.browser.newContext({ storageState: owner, viewport: { width: 1280, height: 900 } }));
  await agent.goto(`${stage.url}/inbox`);
  await agent.getByRole('link', { name: /How do I clean|cold water/ }).first().click();
  await agent.getByText('The visitor waits for a person').waitFor();
  await agent.getByRole('button', { name: 'Take over' }).click();
  await agent.getByText('You answer; the chatbot is silent.').waitFor();
  await visitor.getByText('Kim Owner has joined.').waitFor();

  const reply = agent.getByRole('textbox', { name: 'Write to the visitor' });
  await reply.pressSequentially('Hello! Which teapot is it?');
  await visitor.getByText('Kim Owner is writing').waitFor();
  await reply.press('Enter');
  await log.getByText('Hello! Which teapot is it?').waitFor();
  await agent.getByText('Seen', { exact: true }).waitFor();

  // While the person has it the chatbot says nothing.
  const asked = stage.model.asked.length;
  await box.pressSequentially('The blue one.');
  await agent.getByText('is writing').waitFor();
  await box.press('Enter');
  await agent.getByRole('log').getByText('The blue one.').waitFor();
  expect(stage.model.asked.length).toBe(asked);

  // What colleagues note no visitor sees.
  await agent.getByText('Note', { exact: true }).click();
  const note = agent.getByRole('textbox', { name: 'Write a note' });
  await note.fill('Send her a new lid.');
  await note.press('Enter');
  await agent.getByRole('article', { name: 'Note of Kim Owner' }).getByText('Send her a new lid.').waitFor();

  await agent.getByRole('button', { name: 'Resolve' }).click();
  await agent.getByText('Resolved. When the visitor writes again').waitFor();
  await box.fill('Thanks!');
  await box.press('Enter');
  await expect.poll(() => log.getByText('Rinse it with cold water.').count()).toBe(2);
  expect(await visitor.getByText('new lid').count()).toBe(0);
  await visitor.reload();
  await visitor.getByRole('button', { name: 'Open chat' }).click();
  await log.getByText('Which teapot is it?').waitFor();
  expect(visitor.said).toEqual([]);
  await visitor.context().close();
  await agent.context().close();
}, 90_000);

test('who asks for a person in words is handed over by the chatbot', async () => {
  await stage.api('PATCH', `/chatbot/${bot.id}`, { settings: { tools: ['ask_for_person'] } });
  stage.model.calls = [{ name: 'ask_for_person', arguments: {} }];
  stage.model.words = ['A person will answer you here.'];
  const visitor = await stage.visit(shop.url);
  await visitor.getByRole('button', { name: 'Open chat' }).click();
  const box = visitor.getByRole('textbox', { name: 'Write a message' });
  await box.fill('I want to talk to a human.');
  await box.press('Enter');
  await visitor.getByRole('log').getByText('A person will answer you here.').waitFor();
  await visitor.getByText('You are waiting for a person.').waitFor();
  expect(await visitor.getByRole('button', { name: 'Talk to a person' }).count()).toBe(0);
  expect(visitor.said).toEqual([]);
  await visitor.context().close();
}, 60_000);

test('a telephone number that was recorded can be dialled from the thread', async () => {
  await stage.api('PATCH', `/chatbot/${bot.id}`, { settings: { tools: ['record_contact'] } });
  stage.model.calls = [{ name: 'record_contact', arguments: { phone: '+82 10-1234-5678' } }];
  stage.model.words = ['We will call you.'];
  const visitor = await stage.visit(shop.url);
  await visitor.getByRole('button', { name: 'Open chat' }).click();
  const box = visitor.getByRole('textbox', { name: 'Write a message' });
  await box.fill('Please call me: +82 10-1234-5678');
  await box.press('Enter');
  await visitor.getByRole('log').getByText('We will call you.').waitFor();
  const agent = await listening(await stage.browser.newContext({ storageState: owner, viewport: { width: 1280, height: 900 } }));
  const { data } = await stage.api('GET', `/chatbot/${bot.id}/conversations`);
  const { id } = data.find(({ metadata }: { metadata: { phone?: string } }) => metadata.phone);
  await agent.goto(`${stage.url}/chatbots/${bot.id}/conversations/${id}`);
  const link = agent.getByRole('link', { name: '+82 10-1234-5678', exact: true });
  await link.waitFor();
  expect(await link.getAttribute('href')).toBe('tel:+821012345678');
  await visitor.context().close();
  await agent.context().close();
}, 60_000);
