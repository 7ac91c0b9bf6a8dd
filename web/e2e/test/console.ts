// The console as the tests meet it: who is signed in, every page that there is, and when one is drawn.

import { expect } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { PAGES, PATHS, type PageName } from '../../console/src/routes';
import type { Stage } from './stage';

export const OWNER = { name: 'Kim Owner', email: 'kim@example.com', password: 'a teapot that pours' };

/** What Chromium says when the console asks who is signed in, and nobody is. */
export const SIGNED_OUT = /status of 401 .* http\S+\/api\/account$/;

/** What a browser keeps of somebody who is signed in. */
export type SignedIn = Awaited<ReturnType<Awaited<ReturnType<Browser['newContext']>>['storageState']>>;

/** Makes an account with a one-time link: the owner's with the set-up link. */
export async function join(stage: Stage, link: string, person: Partial<typeof OWNER> = OWNER): Promise<SignedIn> {
  const context = await stage.browser.newContext();
  const token = new URL(link).hash.slice(1);
  const reply = await context.request.post(`${stage.url}/api/account/links/accept`, { data: { token, ...person } });
  expect(reply.status(), await reply.text()).toBe(200);
  const state = await context.storageState();
  await context.close();
  return state;
}

/** What a page's path can name. */
export type Named = Record<'chatbot' | 'item' | 'session' | 'source' | 'eval' | 'gap' | 'webhook', string>;

/** Every page of the console with its address, from its own table, so that none is forgotten. */
export function pages(stage: Stage, named: Named, link: string): { name: PageName; url: string; signedIn: boolean }[] {
  return (Object.keys(PAGES) as PageName[]).map((name) => {
    const path = PATHS[name].replace(/:(\w+)/g, (_, key) => named[key as keyof Named]);
    expect(path).not.toContain('undefined');
    return { name, url: stage.url + path + (name === 'link' ? new URL(link).hash : ''), signedIn: PAGES[name]?.frame !== 'bare' };
  });
}

/** Waits until a page is there, with what it loads. */
export async function drawn(page: Page): Promise<void> {
  await page.locator('h1').waitFor({ state: 'attached' }); // phones show a conversation without it
  await expect.poll(() => page.locator('.skeleton, [aria-busy="true"]').count(), { timeout: 10_000 }).toBe(0);
  await page.evaluate(() => document.fonts.ready.then(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))));
}

/** How far a page reaches beyond its sides, in pixels. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
