// What somebody hostile writes wherever they may write, and whether anything came of it.

import type { Page } from 'playwright-core';
import { expect } from 'vitest';

export const EVIL = `"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script><svg onload=window.hacked=1>`;
export const LINKS =
  '[a](javascript:window.hacked=1) ![b](x" onerror="window.hacked=1) <a href="javascript:window.hacked=1">c</a> [d](data:text/html,<script>parent.hacked=1</script>)';
/** As a file may be called. */
export const EVIL_FILE = EVIL.replaceAll('/', '');

/** Messages of another window, of every kind that something might listen to. */
export async function post(page: Page): Promise<void> {
  for (const message of [EVIL, { type: 'okra', action: 'send', content: EVIL }, JSON.stringify({ okra: EVIL })]) {
    await page.evaluate((message) => window.postMessage(message, '*'), message);
  }
}

/** Nothing ran, and nothing of it became an element. */
export async function expectHarmless(page: Page): Promise<void> {
  expect(await page.evaluate(() => (window as any).hacked)).toBeUndefined();
  for (const element of ['img[onerror]', 'script:not([src])', 'svg[onload]', 'a[href^="javascript"]', 'a[href^="data"]', 'iframe']) {
    expect(await page.locator(element).count(), element).toBe(0);
  }
}
