// The whole API of a server, typed from openapi.json. A call gives its answer's body, or throws an `ApiError`.

import createClient, { type Client as Calls } from 'openapi-fetch';
import { ApiError, isAborted } from './errors';
import type { paths } from './schema';

export interface ClientOptions {
  /** Where the server is; empty for the page's own. */
  base?: string;
  fetch?: typeof fetch;
  /** The organization that is meant, asked anew for each call. */
  organization?: () => string | undefined;
  /** Told of each call that nobody was signed in for. */
  onSignedOut?: () => void;
}

export type Client = Calls<paths>;

export function client(options: ClientOptions = {}): Client {
  return createClient<paths>({
    baseUrl: options.base ?? '',
    fetch: (request) => send(request, options),
  });
}

/** Sends a request as the client does; for what openapi.json cannot say, such as streams and uploads. */
export async function send(request: Request, options: ClientOptions): Promise<Response> {
  const organization = options.organization?.();
  if (organization) request.headers.set('x-organization', organization);
  let response: Response;
  try {
    response = await (options.fetch ?? globalThis.fetch)(request);
  } catch (thrown) {
    throw isAborted(thrown) ? thrown : ApiError.from(thrown);
  }
  if (response.ok) return response;
  throw await refused(response, options);
}

/** The error that an answer is; tells of it where it says that nobody is signed in. */
export async function refused(response: Response, options: ClientOptions): Promise<ApiError> {
  const error = await ApiError.read(response);
  // A wrong password is a 401 as well, and says nothing about being signed in.
  if (error.status === 401 && error.code === 'unauthorized') options.onSignedOut?.();
  return error;
}

/** The body of a call's answer. */
export async function body<T>(call: Promise<{ data?: T }>): Promise<Exclude<T, undefined>> {
  // `send` has thrown for every answer that has none.
  return (await call).data as Exclude<T, undefined>;
}
