import { describe, expect, test, vi } from 'vitest';
import { ApiError, OFFLINE, body, client, type ClientOptions } from '../src';

/** A client whose server gives these answers, and the requests that it got. */
function served(answers: (Response | Error)[], options: ClientOptions = {}) {
  const requests: Request[] = [];
  const fetch = vi.fn(async (request: Request) => {
    requests.push(request);
    const answer = answers.shift();
    if (answer instanceof Response) return answer;
    throw answer;
  });
  return { api: client({ base: 'http://okra.test', fetch: fetch as typeof globalThis.fetch, ...options }), requests };
}

const failed = (status: number, told: unknown, headers = {}) =>
  new Response(typeof told === 'string' ? told : JSON.stringify(told), { status, headers });

async function errorOf(answer: Response | Error): Promise<ApiError> {
  const { api } = served([answer]);
  return api.GET('/api/external/chatbots').then(
    () => expect.unreachable(),
    (error) => error,
  );
}

describe('a call', () => {
  test('gives the body, and names the organization that is meant', async () => {
    let organization: string | undefined = 'org-1';
    const answers = [Response.json({ chatbots: [] }), Response.json({ chatbots: [] })];
    const { api, requests } = served(answers, { organization: () => organization });
    expect(await body(api.GET('/api/external/chatbots'))).toEqual({ chatbots: [] });
    organization = undefined;
    await api.GET('/api/external/chatbots');
    expect(requests.map((request) => request.headers.get('x-organization'))).toEqual(['org-1', null]);
    expect(requests[0]?.url).toBe('http://okra.test/api/external/chatbots');
  });

  test('takes an answer without a body', async () => {
    const { api } = served([new Response(null, { status: 204 })]);
    expect(await body(api.POST('/api/account/sign-out'))).toBeUndefined();
  });
});

describe('a failed call', () => {
  test('throws what the server says, with the fields at fault', async () => {
    const told = { error: 'Check the field.', code: 'invalid_request', details: [{ field: 'name', problem: 'is empty' }] };
    const error = await errorOf(failed(400, told));
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ code: 'invalid_request', message: 'Check the field.', status: 400 });
    expect(error.problem('name')).toBe('is empty');
    expect(error.problem('slug')).toBeUndefined();
  });

  test('says how long to wait', async () => {
    const error = await errorOf(failed(429, { error: 'Slow down.', code: 'rate_limited' }, { 'retry-after': '7' }));
    expect(error.retryAfter).toBe(7);
  });

  test.each([
    [failed(502, '<html>Bad gateway</html>'), OFFLINE, 502],
    [failed(418, 'no JSON'), 'failed', 418],
    [failed(500, { details: 'not a list', error: 7 }), 'failed', 500],
    [new TypeError('fetch failed'), OFFLINE, 0],
  ])('is an error of ours even where the answer is not', async (answer, code, status) => {
    const error = await errorOf(answer);
    expect(error).toMatchObject({ code, status });
    expect(error.details).toEqual([]);
  });

  test('that the caller gave up stays what it is', async () => {
    await expect(errorOf(new DOMException('gone', 'AbortError'))).resolves.toHaveProperty('name', 'AbortError');
  });

  test('tells of a lost session, and not of a wrong password', async () => {
    const onSignedOut = vi.fn();
    const wrong = failed(401, { error: 'No.', code: 'sign_in_failed' });
    const lost = failed(401, { error: 'Sign in.', code: 'unauthorized' });
    const { api } = served([wrong, lost], { onSignedOut });
    await expect(api.GET('/api/account')).rejects.toHaveProperty('code', 'sign_in_failed');
    expect(onSignedOut).not.toHaveBeenCalled();
    await expect(api.GET('/api/account')).rejects.toHaveProperty('code', 'unauthorized');
    expect(onSignedOut).toHaveBeenCalledOnce();
  });
});
