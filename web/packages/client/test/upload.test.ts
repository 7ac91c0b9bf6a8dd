import { afterEach, expect, test, vi } from 'vitest';
import { upload, type ClientOptions } from '../src';

/** A request that does what the test says. */
class Request {
  static last: Request;
  upload: { onprogress?: (event: { loaded: number; total: number }) => void } = {};
  onload?: () => void;
  onerror?: () => void;
  onabort?: () => void;
  onloadend?: () => void;
  status = 0;
  responseText = '';
  headers: Record<string, string> = {};
  told: Record<string, string> = {};
  sent?: FormData;
  constructor() {
    Request.last = this;
  }
  open(): void {}
  setRequestHeader(name: string, value: string): void {
    this.headers[name] = value;
  }
  getResponseHeader(name: string): string | null {
    return this.told[name] ?? null;
  }
  send(form: FormData): void {
    this.sent = form;
  }
  abort(): void {
    this.onabort?.();
    this.onloadend?.();
  }
  answer(status: number, body: string): void {
    this.status = status;
    this.responseText = body;
    this.onload?.();
    this.onloadend?.();
  }
}
vi.stubGlobal('XMLHttpRequest', Request);
afterEach(() => vi.restoreAllMocks());

function begin(options: ClientOptions = {}) {
  const stop = new AbortController();
  const shares: number[] = [];
  const reply = upload<{ id: string }>({ url: '/files', form: new FormData(), signal: stop.signal, onprogress: (share) => shares.push(share) }, options);
  return { reply, stop, shares, request: Request.last };
}

test('an upload tells how far it is, and gives the answer', async () => {
  const { reply, shares, request } = begin({ organization: () => 'o-1' });
  request.upload.onprogress?.({ loaded: 25, total: 100 });
  request.upload.onprogress?.({ loaded: 100, total: 100 });
  request.answer(202, '{"id":"i-1"}');
  expect(await reply).toEqual({ id: 'i-1' });
  expect(shares).toEqual([0.25, 1]);
  expect(request.headers).toEqual({ 'x-organization': 'o-1' });
});

test('a refused upload fails with what the server said', async () => {
  const { reply, request } = begin();
  request.told = { 'retry-after': '7' };
  request.answer(429, '{"error":"Too many.","code":"rate_limited","details":[]}');
  await expect(reply).rejects.toMatchObject({ code: 'rate_limited', message: 'Too many.', status: 429, retryAfter: 7 });
});

test('an upload that nobody is signed in for says so', async () => {
  const onSignedOut = vi.fn();
  const { reply, request } = begin({ onSignedOut });
  request.answer(401, '{"error":"Sign in.","code":"unauthorized"}');
  await expect(reply).rejects.toMatchObject({ status: 401 });
  expect(onSignedOut).toHaveBeenCalledOnce();
});

test('a lost connection is told from an upload that was given up', async () => {
  const lost = begin();
  lost.request.onerror?.();
  await expect(lost.reply).rejects.toMatchObject({ code: 'offline' });
  const givenUp = begin();
  givenUp.stop.abort();
  await expect(givenUp.reply).rejects.toMatchObject({ name: 'AbortError' });
});
