// Every page of the console: usable by everyone, inside its sides, true to its content policy.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { AXE, serious } from './axe';
import { SIGNED_OUT, drawn, join, overflow, pages, type SignedIn } from './console';
import { furnish, type Furniture } from './furniture';
import { Stage, listening } from './stage';

let stage: Stage;
let owner: SignedIn;
let furniture: Furniture;

beforeAll(async () => {
  stage = await Stage.open();
  owner = await join(stage, stage.setUpLink);
  furniture = await furnish(stage);
});

afterAll(() => stage?.stop());

test.each([
  ['light', { width: 1280, height: 800 }],
  ['dark', { width: 390, height: 780 }],
] as const)('no page of the console shuts anybody out, overflows or breaks its policy (%s)', async (colorScheme, viewport) => {
  const [door, inside] = await Promise.all([{}, { storageState: owner }].map((who) => stage.browser.newContext({ colorScheme, viewport, ...who })));
  for (const { name, url, signedIn } of pages(stage, furniture.named, furniture.link)) {
    const page = await listening((signedIn ? inside : door)!);
    await page.addInitScript(AXE);
    await page.goto(url);
    await drawn(page);
    expect(await page.locator('h1').count(), name).toBe(1);
    expect(await serious(page), name).toEqual([]);
    expect(await overflow(page), name).toBeLessThanOrEqual(0);
    expect(page.said.filter((line) => !SIGNED_OUT.test(line)), name).toEqual([]);
    expect(new URL(page.url()).pathname, name).toBe(new URL(url).pathname);
    await page.close();
  }
  await Promise.all([door, inside].map((context) => context!.close()));
}, 180_000);
