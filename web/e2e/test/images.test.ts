// Images: chosen, pasted, dropped, taken back, sent, and seen by the model.

import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Stage } from './stage';

let stage: Stage;
let shop: Awaited<ReturnType<Stage['shop']>>;
let bot: { id: string; slug: string };

beforeAll(async () => {
  stage = await Stage.open();
  bot = await stage.chatbot({ is_public: true });
  shop = await stage.shop(bot);
});

afterAll(async () => {
  shop?.close();
  await stage?.stop();
});

/** Hands the panel a file as the browser does when one is pasted or dropped. */
async function hand(page: Page, how: 'paste' | 'drop', name: string, type: string): Promise<void> {
  const target = page.locator(how === 'paste' ? 'textarea' : '.panel');
  const bytes = [...stage.photo];
  await target.evaluate((target, { how, name, type, bytes }) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name, { type }));
    const init = { bubbles: true, cancelable: true };
    if (how === 'paste') target.dispatchEvent(new ClipboardEvent('paste', { ...init, clipboardData: data }));
    else for (const event of ['dragover', 'drop']) target.dispatchEvent(new DragEvent(event, { ...init, dataTransfer: data }));
  }, { how, name, type, bytes });
}

test('images are chosen, pasted and dropped, taken back by keyboard, and seen by the model', async () => {
  const page = await stage.visit(shop.url);
  await page.getByRole('button', { name: 'Open chat' }).click();
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Attach images' }).click();
  await (await chooser).setFiles({ name: 'chosen.png', mimeType: 'image/png', buffer: stage.photo });
  await hand(page, 'paste', 'pasted.png', 'image/png');
  await hand(page, 'drop', 'dropped.png', 'image/png');
  const waiting = page.getByRole('list', { name: 'Images' }).getByRole('listitem');
  await expect.poll(() => page.locator('.waiting .ready').count()).toBe(3);
  expect(await waiting.getByRole('img').evaluateAll((all) => all.map((it) => (it as HTMLImageElement).naturalWidth))).toEqual([8, 8, 8]);

  // What is no image is refused in words, and what is there stays.
  await hand(page, 'drop', 'bill.pdf', 'application/pdf');
  await page.getByRole('alert').filter({ hasText: 'Only PNG, JPEG, WebP and GIF images can be attached.' }).waitFor();
  await page.getByRole('button', { name: 'Remove: pasted.png' }).focus();
  await page.keyboard.press('Enter');
  await expect.poll(() => waiting.count()).toBe(2);
  const box = page.getByRole('textbox', { name: 'Write a message' });
  await expect.poll(() => box.evaluate((it) => it === (it.getRootNode() as ShadowRoot).activeElement)).toBe(true);

  await page.keyboard.type('What are these?');
  await page.keyboard.press('Enter');
  await page.locator('.actions').waitFor();
  expect(await waiting.count()).toBe(2); // now those of the message
  expect(await page.locator('.waiting').count()).toBe(0);
  const parts = stage.model.asked.at(-1).messages.at(-1).content;
  expect(parts[0]).toEqual({ type: 'text', text: 'What are these?' });
  expect(parts.slice(1).map((part: any) => part.image_url.url.slice(0, 27))).toEqual(Array(2).fill('data:image/jpeg;base64,/9j/'));

  await page.reload();
  await page.getByRole('button', { name: 'Open chat' }).click();
  const shown = page.locator('.user').getByRole('img', { name: 'dropped.png' });
  await expect.poll(() => shown.evaluate((it) => (it as HTMLImageElement).naturalWidth)).toBe(8);
  expect(page.said).toEqual([]);
  await page.context().close();
});

test('a photo that is too large is made smaller before it is sent', async () => {
  const page = await stage.visit(`${stage.url}/c/${bot.slug}`);
  await page.locator('textarea').waitFor();
  const upload = page.waitForRequest((request) => request.url().endsWith('/attachments'));
  // Noise does not compress: 2,600×1,600 pixels are some 16 MB as a PNG.
  await page.locator('.panel').evaluate(async (panel) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 2600, height: 1600 });
    const pen = canvas.getContext('2d')!;
    const noise = pen.createImageData(2600, 1600);
    for (let at = 0; at < noise.data.length; at += 65_536) crypto.getRandomValues(noise.data.subarray(at, at + 65_536));
    pen.putImageData(noise, 0, 0);
    const file = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
    const data = new DataTransfer();
    data.items.add(new File([file!], 'noise.png', { type: 'image/png' }));
    panel.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data }));
  });
  await page.locator('.waiting .ready').waitFor();
  const bytes = Number((await (await upload).allHeaders())['content-length']);
  expect(bytes).toBeGreaterThan(100_000);
  expect(bytes).toBeLessThan(5 * 1024 * 1024);
  await page.context().close();
});

test('where the model sees nothing there is nothing to attach with', async () => {
  const blind = await stage.chatbot({ is_public: true, settings: { model: 'llama3.1' } });
  const page = await stage.visit(`${stage.url}/c/${blind.slug}`);
  await page.locator('textarea').waitFor();
  expect(await page.getByRole('button', { name: 'Attach images' }).count()).toBe(0);
  await hand(page, 'paste', 'a.png', 'image/png');
  await hand(page, 'drop', 'a.png', 'image/png');
  expect(await page.locator('.waiting').count()).toBe(0);
  await page.context().close();
});
