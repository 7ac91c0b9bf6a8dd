// Sending a file with its progress, which `fetch` cannot tell.

import { refused, type ClientOptions } from './client';
import { ApiError } from './errors';

export interface Upload {
  url: string;
  form: FormData;
  signal: AbortSignal;
  /** Told of how much of the request was sent, from 0 to 1. */
  onprogress: (share: number) => void;
}

/** Posts a form; gives the answer's JSON, or fails as the client's calls do. */
export function upload<Reply>({ url, form, signal, onprogress }: Upload, options: ClientOptions): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const aborted = (): void => request.abort();
    const answered = (): void => {
      const retry = request.getResponseHeader('retry-after');
      const response = new Response(request.responseText, { status: request.status, ...(retry ? { headers: { 'retry-after': retry } } : {}) });
      if (response.ok) resolve(response.json() as Promise<Reply>);
      else refused(response, options).then(reject, reject);
    };
    request.upload.onprogress = ({ loaded, total }) => onprogress(total > 0 ? loaded / total : 0);
    request.onload = answered;
    request.onerror = () => reject(ApiError.from(new TypeError('the connection was lost')));
    request.onabort = () => reject(new DOMException('given up', 'AbortError'));
    request.onloadend = () => signal.removeEventListener('abort', aborted);
    request.open('POST', (options.base ?? '') + url);
    const organization = options.organization?.();
    if (organization) request.setRequestHeader('x-organization', organization);
    signal.addEventListener('abort', aborted);
    if (signal.aborted) return reject(new DOMException('given up', 'AbortError'));
    request.send(form);
  });
}
