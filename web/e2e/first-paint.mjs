// How soon the console is seen, and how much it loads for that: `node first-paint.mjs SET_UP_LINK`, with the link that
// a new server prints. Prints JSON: for each page the median milliseconds to the first contentful paint, with nothing
// cached, and the bytes that its document, scripts and style sheets take with gzip.

import { get } from 'node:http';
import { browser as open } from './chromium.mjs';

const RUNS = 5;
const NEEDED = ['document', 'script', 'stylesheet'];

/** The length of an answer's body as it is sent. */
function compressed(url) {
  return new Promise((resolve, reject) => {
    const request = get(url, { headers: { accept: 'text/html,*/*', 'accept-encoding': 'gzip' } }, (response) => {
      let bytes = 0;
      response.on('data', (part) => (bytes += part.length)).on('end', () => resolve(bytes));
    });
    request.on('error', reject);
  });
}

/** Loads a page as somebody who was never there. */
async function load(browser, url, storageState) {
  const context = await browser.newContext({ storageState });
  const page = await context.newPage();
  const needed = [];
  page.on('request', (request) => NEEDED.includes(request.resourceType()) && needed.push(request.url()));
  const reply = await page.goto(url);
  if (!reply?.ok()) throw new Error(`${url}: ${reply?.status()}; was the console built into this binary?`);
  await page.locator('h1').waitFor();
  const painted = await page.evaluate(
    () =>
      new Promise((resolve) =>
        new PerformanceObserver((list) => {
          const [first] = list.getEntriesByName('first-contentful-paint');
          if (first) resolve(first.startTime);
        }).observe({ type: 'paint', buffered: true }),
      ),
  );
  await context.close();
  return { painted, needed: [...new Set(needed)] };
}

async function measure(browser, url, storageState) {
  const runs = [];
  for (let run = 0; run < RUNS; run++) runs.push(await load(browser, url, storageState));
  const sizes = await Promise.all(runs[0].needed.map(compressed));
  const paints = runs.map(({ painted }) => painted).sort((a, b) => a - b);
  return { paint_ms: paints[Math.floor(RUNS / 2)], gzip_bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

const link = new URL(process.argv[2]);
const browser = await open();
const context = await browser.newContext();
const account = { token: link.hash.slice(1), name: 'Kim', email: 'kim@example.com', password: 'a teapot that pours' };
const reply = await context.request.post(`${link.origin}/api/account/links/accept`, { data: account });
if (!reply.ok()) throw new Error(await reply.text());
const owner = await context.storageState();
const signIn = await measure(browser, `${link.origin}/sign-in`);
const overview = await measure(browser, `${link.origin}/overview`, owner);
await browser.close();
console.log(JSON.stringify({ sign_in: signIn, overview }));
