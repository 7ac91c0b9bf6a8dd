// Addresses of web pages, typed one a line.

import { ApiError } from '@okra/client';

/** The addresses in a text; each once, and with `https://` where no scheme was typed. */
export function addressesOf(text: string): string[] {
  const typed = text.split(/\s+/).filter((word) => word !== '');
  return [...new Set(typed.map((word) => (/^[a-z][a-z0-9+.-]*:/i.test(word) ? word : `https://${word}`)))];
}

/** The same error about the one field that is shown, telling which of the addresses is meant. */
export function withLines(error: ApiError, line: (number: string) => string): ApiError {
  const details = error.details.map(({ field, problem }) => {
    const at = /^items\[(\d+)\]/.exec(field)?.[1];
    return at === undefined ? { field, problem } : { field: 'url', problem: `${line(String(Number(at) + 1))}: ${problem}` };
  });
  return new ApiError(error.code, error.message, error.status, details, error.retryAfter);
}
