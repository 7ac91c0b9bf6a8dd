// What axe-core says of a page.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

/** For `addInitScript`, which the page's content policy does not concern. */
export const AXE = { content: readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8') };

/** The serious and critical violations on a page, or in a part of it. */
export async function serious(page: Page, part?: string): Promise<string[]> {
  const { violations } = await page.evaluate((part) => (window as any).axe.run(part ? { include: [[part]] } : document), part);
  return violations
    .filter(({ impact }: { impact: string }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }: any) => `${id}: ${nodes.map((node: any) => node.html).join(' ')}`);
}
