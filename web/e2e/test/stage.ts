// What the end-to-end tests stand on: the built binary, a model that answers when told to, a site of
// someone else's, and Chromium.

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, createServer as createProxy, type AddressInfo, type Server as NetServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { browser as openBrowser } from '../chromium.mjs';

const KEY = '0123456789abcdef0123456789abcdef0123456789abcdef';
const BINARY = process.env['OKRA_BINARY'] ?? new URL('../../../target/debug/okra', import.meta.url).pathname;

async function listen(server: Server | NetServer): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://localhost:${(server.address() as AddressInfo).port}`;
}

/** A page of the provider's that never comes, for an item that is always being read. */
export const UNREAD = '/catalogue';
/** Where the provider has a site of three pages: titles, texts and links by path. */
export const SITE = '/shop/';
const PAGES: Record<string, [title: string, text: string, links: string[]]> = {
  '/shop/': ['Teapots', 'Clay and glass teapots from Pot Lane.', ['care', 'gifts', 'lost']],
  '/shop/care': ['Care', 'A clay teapot is rinsed with cold water.', []],
  '/shop/gifts': ['Gifts', 'Every teapot can be wrapped as a gift.', []],
};
/** Where the provider's shop cancels orders. */
export const CANCEL = '/orders/cancel';
/** What the provider says that it has. */
const MODELS = ['gpt-5-mini', 'gpt-4o-mini', 'llama-3.3-70b', 'text-embedding-3-small'];

/** A model that streams what it is given, and can stop half way until it is let go on. */
export class Model {
  words = ['Rinse it ', 'with **cold** water.'];
  held = false;
  /** Whether it refuses to answer. */
  broken = false;
  /** What it calls in place of its next words. */
  calls: { name: string; arguments: object }[] = [];
  /** What it was asked, oldest first. */
  asked: any[] = [];
  /** The orders that were to be cancelled. */
  cancelled: unknown[] = [];
  #waiting: (() => void)[] = [];
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  start = (): Promise<string> => listen(this.#server);
  stop = (): void => void (this.#server.closeAllConnections(), this.#server.close());

  release(): void {
    this.held = false;
    for (const go of this.#waiting.splice(0)) go();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === UNREAD) return;
    if (request.url?.startsWith(SITE)) return sitePage(request.url, response);
    if (request.url === CANCEL) {
      this.cancelled.push(await json(request));
      return void response.writeHead(200, { 'content-type': 'application/json' }).end('{"state": "cancelled"}');
    }
    if (request.method === 'GET') return void response.end(JSON.stringify({ data: MODELS.map((id) => ({ id, object: 'model' })) }));
    this.asked.push(await json(request));
    if (this.broken) return void response.writeHead(400).end('{"error": {"message": "the bill of sk-secret is not paid"}}');
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const write = (delta: object, finish_reason?: string): void =>
      void response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
    const calls = this.calls.splice(0);
    for (const [index, { name, arguments: given }] of calls.entries()) {
      write({ tool_calls: [{ index, id: `call_${index}`, type: 'function', function: { name, arguments: JSON.stringify(given) } }] });
    }
    for (const [at, content] of (calls.length > 0 ? [] : this.words).entries()) {
      if (at > 0 && this.held) await new Promise<void>((go) => this.#waiting.push(go));
      write({ content });
    }
    write({}, calls.length > 0 ? 'tool_calls' : 'stop');
    response.end('data: [DONE]\n\n');
  }
}

function sitePage(path: string, response: ServerResponse): void {
  const page = PAGES[path];
  if (!page) return void response.writeHead(404).end();
  const [title, text, links] = page;
  const list = links.map((link) => `<li><a href="${link}">${link}</a></li>`).join('');
  response.writeHead(200, { 'content-type': 'text/html' }).end(`<title>${title}</title><main><h1>${title}</h1><p>${text}</p></main><ul>${list}</ul>`);
}

/** A running server with a browser in front of it. */
export class Stage {
  /** A PNG of 8×8 pixels. */
  readonly photo = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mPgL8vDihiGlgQApWE8wYpLEGkAAAAASUVORK5CYII=', 'base64');


  constructor(
    readonly url: string,
    /** What makes the first account: printed by a server that has none. */
    readonly setUpLink: string,
    /** Where the server keeps everything. */
    readonly folder: string,
    /** Where the model and its pages are. */
    readonly provider: string,
    readonly model: Model,
    readonly browser: Browser,
    readonly stop: () => Promise<void>,
  ) {}

  static async open(): Promise<Stage> {
    if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: build it, or name it in OKRA_BINARY.`);
    const model = new Model();
    const provider = await model.start();
    const folder = mkdtempSync(join(tmpdir(), 'okra-e2e-'));
    const okra = spawn(BINARY, ['serve'], {
      env: {
        ...process.env,
        OKRA_LISTEN: '127.0.0.1:0',
        OKRA_DATA_DIR: folder,
        OKRA_BOOTSTRAP_API_KEY: KEY,
        OPENAI_BASE_URL: `${provider}/v1`,
        OKRA_FETCH_ALLOW: new URL(provider).host,
        OKRA_FETCH_TIMEOUT_SECONDS: '600',
      },
    });
    const { url, setUpLink } = await greeting(okra);
    const browser = await openBrowser();
    return new Stage(url, setUpLink, folder, provider, model, browser, async () => {
      await browser.close();
      okra.kill();
      await new Promise((resolve) => okra.once('exit', resolve));
      model.stop();
      rmSync(folder, { recursive: true, force: true });
    });
  }

  /** A call of the external API. */
  async api(method: string, path: string, body?: object): Promise<any> {
    const init: RequestInit = { method, headers: { 'x-api-key': KEY } };
    if (body instanceof FormData) init.body = body;
    else if (body) Object.assign(init, { headers: { ...init.headers, 'content-type': 'application/json' }, body: JSON.stringify(body) });
    const response = await fetch(`${this.url}/api/external${path}`, init);
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return response.status === 204 ? undefined : response.json();
  }

  /** A visitor's page, and what its console says. */
  async visit(url: string, options: BrowserContextOptions = {}): Promise<Heard> {
    const page = await listening(await this.browser.newContext(options));
    await page.goto(url);
    return page;
  }

  /** A chatbot that knows how teapots are cleaned. */
  async chatbot(change: object = {}): Promise<{ id: string; slug: string }> {
    const { chatbot } = await this.api('POST', '/chatbots', {
      name: 'Teapot shop',
      settings: {
        greeting: 'Hello! Ask me anything about our teapots.',
        snippet: { header: 'Teapot shop', slogan: 'We answer at once', primaryColor: '#0f766e', secondaryColor: '#f59e0b' },
      },
      ...change,
    });
    await this.api('PATCH', `/chatbot/${chatbot.id}`, { suggestions: ['How do I clean my teapot?', 'Do you ship abroad?'] });
    await this.know(chatbot.id, { type: 'text', title: 'Care', content: 'Rinse the teapot with cold water.' });
    return chatbot;
  }

  /** A site of someone else's that may show the chatbot. */
  async shop(bot: { id: string }): Promise<Awaited<ReturnType<typeof site>>> {
    const { embed } = await this.api('GET', `/chatbot/${bot.id}/deploy`);
    const shop = await site(embed);
    await this.api('PUT', `/chatbot/${bot.id}/deploy`, { allowed_origins: [shop.url] });
    return shop;
  }

  /** Gives a chatbot something to know, and waits until it does. */
  async know(bot: string, item: object): Promise<void> {
    await this.api('POST', `/chatbot/${bot}/knowledge-base`, item);
    await this.#ready(bot);
  }

  /** Uploads a file to a chatbot, and waits until it is read. */
  async upload(bot: string, name: string, text: string): Promise<void> {
    const form = new FormData();
    form.set('files', new File([text], name));
    await this.api('POST', `/chatbot/${bot}/knowledge-base/files`, form);
    await this.#ready(bot);
  }

  async #ready(bot: string): Promise<void> {
    for (;;) {
      const { data } = await this.api('GET', `/chatbot/${bot}/knowledge-base`);
      if (data.every((item: { status: string }) => item.status === 'ready')) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** A page with what its console says. */
export type Heard = Page & { said: string[] };

/** A new page of a browser's context. */
export async function listening(context: BrowserContext): Promise<Heard> {
  const page = Object.assign(await context.newPage(), { said: [] as string[] });
  page.on('console', (message) => page.said.push(`${message.text()} ${message.location().url}`));
  page.on('pageerror', (error) => page.said.push(`page error: ${error}`));
  return page;
}

/** Where the server says it listens, and the link to its first account. */
function greeting(okra: ChildProcess): Promise<{ url: string; setUpLink: string }> {
  return new Promise((resolve, reject) => {
    let said = '';
    okra.stdout?.on('data', (part) => {
      said += part;
      const [, url] = /Okra listens on (http:\S+)/.exec(said) ?? [];
      const [, setUpLink] = /(http:\S+\/link#\S+)\s/.exec(said) ?? [];
      if (url && setUpLink) resolve({ url, setUpLink });
    });
    okra.stderr?.on('data', (part) => (said += part));
    okra.once('exit', (code) => reject(new Error(`okra ended with ${code}: ${said}`)));
  });
}

/** A proxy before the server, which can lose its connections as one that restarts does. */
export async function proxy(to: string): Promise<{ url: string; restart: () => void; close: () => void }> {
  const sockets = new Set<Socket>();
  const { hostname: host, port } = new URL(to);
  const server = createProxy((inside) => {
    const outside = connect(Number(port), host);
    for (const [from, into] of [[inside, outside], [outside, inside]] as const) {
      sockets.add(from);
      from.on('error', () => into.destroy()).on('close', () => (sockets.delete(from), into.destroy()));
      from.pipe(into);
    }
  });
  const restart = (): void => sockets.forEach((socket) => socket.destroy());
  return { url: await listen(server), restart, close: () => (restart(), void server.close()) };
}

/** A site of someone else's, which has the widget's line on its page. */
export async function site(script: string): Promise<{ url: string; close: () => void }> {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(`<!doctype html><html lang="en"><title>A shop</title><h1>A shop</h1>
      <style>* { color: red !important; font-size: 40px } button { display: none !important }</style>${script}</html>`);
  });
  return { url: await listen(server), close: () => void (server.closeAllConnections(), server.close()) };
}
