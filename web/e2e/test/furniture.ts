// A server with something on it: chatbots, knowledge in every state, conversations, people.

import { spawnSync } from 'node:child_process';
import type { Named } from './console';
import { SITE, UNREAD, type Stage } from './stage';

export interface Furniture {
  named: Named;
  /** A chatbot that anyone may see: its id, and its slug. */
  bot: string;
  slug: string;
  /** An invitation that is still open. */
  link: string;
}

const HANDBOOK = `# How to clean your teapot

To clean your teapot, rinse the teapot with cold water. A clay teapot is cleaned without soap; on glass a little soap
does no harm. Let the teapot dry with the lid off.

# How long you can return it

You can return a teapot within 30 days. Send the teapot back in its box, with the bill.

# What shipping costs

Shipping is free from 50 euros on. Below that, shipping costs 4 euros. We ship to every country in the European Union.
`;

const ANSWER = [
  '**Rinse it with cold water** after each use:\n\n1. Empty it.\n2. Rinse it *without soap*.\n3. Let it dry with the lid off.\n\n',
  '| Material | Soap |\n|---|---|\n| Clay | never |\n| Glass | a little |\n\nSee [our guide](https://shop.example/care).',
];

const VISITORS = [
  { email: 'mina@example.com', language: 'ko', page: 'https://shop.example/teapots/clay', asks: ['How do I clean my teapot?', 'Thanks! Do you ship to Spain?'] },
  { email: 'tom@example.com', language: 'en', page: 'https://shop.example/cart', asks: ['How long can I return a teapot?'] },
  { language: 'de', page: 'https://shop.example/', asks: ['What does shipping cost?', 'Do you repair broken lids?'] },
  { language: 'en', page: 'https://shop.example/gifts', asks: ['Do you repair broken lids?', 'What are your opening hours on Sunday?'] },
  { email: 'ines@example.com', language: 'es', page: 'https://shop.example/teapots/glass', asks: ['Is a clay teapot cleaned with soap?', 'How do I clean my teapot?'] },
];

/** Furnishes a server that has nothing yet. */
export async function furnish(stage: Stage): Promise<Furniture> {
  stage.model.words = ANSWER;
  const bot = await stage.chatbot({ name: 'Teapot shop', description: 'Answers what customers ask about teapots.', is_public: true });
  for (const [name, description, active] of [
    ['Delivery desk', 'Where is my parcel?', true],
    ['Wholesale', 'For shops that sell our teapots.', true],
    ['Summer campaign', null, false],
  ] as const) {
    const { chatbot } = await stage.api('POST', '/chatbots', { name, description });
    await stage.api('PATCH', `/chatbot/${chatbot.id}`, { active });
  }
  await stage.upload(bot.id, 'handbook.md', HANDBOOK);
  await stage.know(bot.id, { type: 'qna', question: 'Is there a shop that I can visit?', answer: 'Yes: Pot Lane 4, open from Monday to Friday.' });
  for (const visitor of VISITORS) await converse(stage, bot.slug, visitor);
  await stage.api('PUT', `/chatbot/${bot.id}/deploy`, { allowed_origins: ['https://shop.example', 'https://*.teapots.example'] });

  const items = await stage.api('GET', `/chatbot/${bot.id}/knowledge-base?type=file`);
  const conversations = await stage.api('GET', `/chatbot/${bot.id}/conversations?search=Spain`);
  const evaluated = await evaluate(stage, bot.id);
  const { link } = await stage.api('POST', '/people', { email: 'lee@example.com', role: 'agent' });
  const source = await site(stage, bot.id);
  await unread(stage, bot.id);
  const webhook = await listener(stage);
  const gaps = await stage.api('GET', `/chatbot/${bot.id}/gaps`);
  return { named: { chatbot: bot.id, item: items.data[0].id, session: conversations.data[0].id, source, eval: evaluated, gap: gaps.data[0].id, webhook }, bot: bot.id, slug: bot.slug, link };
}

/** A webhook whose address nobody has, with something in its log. */
async function listener(stage: Stage): Promise<string> {
  const events = ['conversation.started', 'lead.captured'];
  const { data } = await stage.api('POST', '/webhooks', { url: 'https://hooks.invalid/okra', description: 'Our customer list', events });
  await stage.api('POST', `/webhooks/${data.id}/test`, {});
  return data.id;
}

/** A site that was read, with a page that is not there. */
async function site(stage: Stage, bot: string): Promise<string> {
  const { data } = await stage.api('POST', `/chatbot/${bot}/sources`, { type: 'site', address: stage.provider + SITE, name: 'Our shop', cadence: 'daily' });
  for (;;) {
    const source = await stage.api('GET', `/chatbot/${bot}/sources/${data.id}`);
    if (source.data.state === 'ready') return data.id;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** An eval with two runs, of which the second is worse; its id. */
async function evaluate(stage: Stage, bot: string): Promise<string> {
  const questions = [
    { question: 'How do I clean my teapot?', answer: 'cold water' },
    { question: 'How long can I return a teapot?', item: 'handbook.md', passage: 'within 30 days' },
    { question: 'Is there a shop that I can visit?', passage: 'Pot Lane 4' },
    { question: 'Do you repair broken lids?', answer: 'we repair every lid' },
    { question: 'Who won the football match last night?', expect: 'refusal' },
  ];
  const { data } = await stage.api('POST', `/chatbot/${bot}/evals`, { name: 'What customers ask', questions });
  const path = `/chatbot/${bot}/evals/${data.id}`;
  await stage.api('POST', `${path}/run`, {});
  const pairs = await stage.api('GET', `/chatbot/${bot}/knowledge-base?type=qna`);
  const pair = { id: pairs.data[0].id };
  await stage.api('PATCH', `/chatbot/${bot}/knowledge-base`, { ...pair, enabled: false });
  await stage.api('POST', `${path}/run`, {});
  await stage.api('PATCH', `/chatbot/${bot}/knowledge-base`, { ...pair, enabled: true });
  return data.id;
}

/** A page and a file that cannot be read, and a page that is never done being read. */
async function unread(stage: Stage, bot: string): Promise<void> {
  const items = `/chatbot/${bot}/knowledge-base`;
  await stage.api('POST', items, { type: 'url', url: 'https://127.0.0.1/prices' });
  const form = new FormData();
  form.set('files', new File(['%PDF-1.7 this is cut off'], 'price list.pdf'));
  await stage.api('POST', `${items}/files`, form);
  await stage.api('POST', items, { type: 'url', url: stage.provider + UNREAD });
  for (;;) {
    const { data } = await stage.api('GET', items);
    if (data.filter(({ status }: { status: string }) => status === 'failed').length === 2) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

interface Visitor {
  email?: string;
  language: string;
  page: string;
  asks: string[];
}

/** A visitor's conversation, by the calls that the widget makes. */
export async function converse(stage: Stage, slug: string, { asks, ...visitor }: Visitor): Promise<void> {
  const url = `${stage.url}/api/public/chatbot/${slug}`;
  const headers = { 'content-type': 'application/json' };
  const begun = await fetch(`${url}/session`, { method: 'POST', headers, body: JSON.stringify(visitor) });
  const { token } = (await begun.json()) as { token: string };
  for (const content of asks) {
    const body = JSON.stringify({ content, request_id: crypto.randomUUID() });
    const reply = await fetch(`${url}/chat`, { method: 'POST', headers: { ...headers, authorization: `Bearer ${token}` }, body });
    const said = await reply.text();
    if (!said.includes('event: done')) throw new Error(`${content}: ${said}`);
  }
}

/** Moves what was said into the days before, for plots of more than one day. The server's clock is the system's, so
 *  this is done in its database, by the program `sqlite3`. */
export async function overDays(stage: Stage, slug: string): Promise<void> {
  const days = 14;
  for (let day = 0; day < days; day++) {
    const visitor = VISITORS[day % VISITORS.length]!;
    await converse(stage, slug, { ...visitor, asks: [...visitor.asks, ...(day % 3 === 0 ? ['How do I clean my teapot?', 'What does shipping cost?'] : [])] });
  }
  const shift = `((SELECT count(*) FROM sessions s WHERE s.id > messages.session_id) % ${days}) * 86400000000`;
  const sql = `UPDATE messages SET created_at = created_at - ${shift};
    UPDATE sessions SET created_at = (SELECT min(created_at) FROM messages m WHERE m.session_id = sessions.id),
      updated_at = (SELECT max(created_at) FROM messages m WHERE m.session_id = sessions.id);`;
  const { error, stderr } = spawnSync('sqlite3', ['-cmd', '.timeout 5000', `${stage.folder}/okra.db`], { input: sql, encoding: 'utf8' });
  if (error || stderr) throw new Error(`sqlite3: ${error?.message ?? stderr}`);
}
