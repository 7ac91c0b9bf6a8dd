// Other sites can neither act as somebody who is signed in, nor show the console in a frame.

import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { join, pages, type SignedIn } from './console';
import { Stage, site, type Heard } from './stage';

let stage: Stage;
let owner: SignedIn;
let bot: { id: string };
let elsewhere: Awaited<ReturnType<typeof site>>;

beforeAll(async () => {
  stage = await Stage.open();
  owner = await join(stage, stage.setUpLink);
  bot = await stage.chatbot();
  elsewhere = await site('');
});

afterAll(async () => {
  elsewhere?.close();
  await stage?.stop();
});

/** Another port of the same host, whose pages cookies are sent with, and another host, whose pages they are not. */
const hosts = ['the same host', 'another host'] as const;

function foreign(where: (typeof hosts)[number]): string {
  const url = new URL(elsewhere.url);
  const own = new URL(stage.url).hostname;
  url.hostname = where === 'the same host' ? own : own === 'localhost' ? '127.0.0.1' : 'localhost';
  return url.href;
}

const secret = async (): Promise<string> => (await stage.api('GET', `/chatbot/${bot.id}/deploy`)).identity_secret;

/** Has a page post a form, and gives the status of what comes back. */
async function submit(page: Page, url: string): Promise<number> {
  const answer = page.waitForResponse((response) => response.url() === url);
  await page.evaluate((action) => {
    const form = Object.assign(document.createElement('form'), { action, method: 'post' });
    document.body.append(form);
    form.submit();
  }, url);
  return (await answer).status();
}

test('the same call does what it says when one of our own pages makes it', async () => {
  const before = await secret();
  const page = await stage.visit(stage.url, { storageState: owner });
  const status = await page.evaluate(async (url) => (await fetch(url, { method: 'POST' })).status, `${stage.url}/api/external/chatbot/${bot.id}/deploy/secret`);
  expect(status).toBe(200);
  expect(await secret()).not.toBe(before);
  await page.context().close();
});

test.each(hosts)('a page of %s changes nothing by a form', async (where) => {
  const before = await secret();
  const page = await stage.visit(foreign(where), { storageState: owner });
  const status = await submit(page, `${stage.url}/api/external/chatbot/${bot.id}/deploy/secret`);
  expect(status).toBe(where === 'the same host' ? 403 : 401);
  expect(await secret()).toBe(before);
  await page.context().close();
});

test.each(hosts)('a page of %s changes and reads nothing by its scripts', async (where) => {
  const before = await secret();
  const page = await stage.visit(foreign(where), { storageState: owner });
  const attempts = [
    ['POST', '/deploy/secret', 'cors'],
    ['POST', '/deploy/secret', 'no-cors'],
    ['DELETE', '', 'cors'],
    ['PATCH', '', 'cors'],
    ['GET', '/deploy', 'cors'],
  ] as const;
  for (const [method, path, mode] of attempts) {
    const url = `${stage.url}/api/external/chatbot/${bot.id}${path}`;
    const read = await page.evaluate(
      async ([url, method, mode]) => {
        const body = method === 'PATCH' ? '{"name":"Stolen"}' : null;
        const init = { method, mode, credentials: 'include', body, ...(body ? { headers: { 'content-type': 'application/json' } } : {}) } as RequestInit;
        return fetch(url, init).then((response) => response.text(), () => '');
      },
      [url, method, mode] as const,
    );
    expect(read, `${method} ${path}`).toBe('');
  }
  expect(await secret()).toBe(before);
  expect((await stage.api('GET', `/chatbot/${bot.id}`)).chatbot.name).toBe('Teapot shop');
  await page.context().close();
});

test('no site can show a page of the console in a frame', async () => {
  const named = { chatbot: bot.id, item: bot.id, session: bot.id, source: bot.id, eval: bot.id, gap: bot.id, webhook: bot.id };
  const page: Heard = await stage.visit(foreign('the same host'), { storageState: owner });
  for (const { name, url } of pages(stage, named, stage.setUpLink)) {
    page.said.length = 0;
    await page.evaluate(async (src) => {
      const frame = Object.assign(document.createElement('iframe'), { src });
      const loaded = new Promise((resolve) => (frame.onload = resolve));
      document.body.replaceChildren(frame);
      await loaded;
    }, url);
    await expect.poll(() => page.said.join('\n'), { message: name }).toContain('frame-ancestors');
    expect(page.frames().at(-1)!.url(), name).toMatch(/^chrome-error:/);
  }
  await page.context().close();
});
