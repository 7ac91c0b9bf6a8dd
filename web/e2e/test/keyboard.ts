// What a person does who uses no mouse.

import type { Locator, Page } from 'playwright-core';

/** Presses the key until this has the focus, also within a shadow root. */
export async function focusBy(page: Page, key: 'Tab' | 'Shift+Tab', target: Locator): Promise<void> {
  await target.waitFor();
  for (let presses = 0; presses < 60; presses++) {
    if (await isFocused(target)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`${key} never led to ${target}`);
}

/** Whether this has the focus. */
export const isFocused = (target: Locator): Promise<boolean> =>
  target.evaluate((it) => it === (it.getRootNode() as Document | ShadowRoot).activeElement);
