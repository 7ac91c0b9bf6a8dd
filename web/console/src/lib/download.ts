// Saving a file that only who is signed in may have: a plain link could not name the organization.

import { call } from '../app';

/** Fetches `path` and hands it to the browser to save, under the name that the server gives it. */
export async function download(path: string): Promise<void> {
  const response = await call(path);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await response.blob());
  link.download = nameIn(response.headers.get('content-disposition')) ?? path.split('/').at(-1) ?? 'download';
  link.click();
  // The browser has taken hold of it once the click is through.
  setTimeout(() => URL.revokeObjectURL(link.href));
}

/** The file name in a `content-disposition` header, in its plain or its encoded form. */
export function nameIn(header: string | null): string | undefined {
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(header ?? '')?.[1];
  if (encoded) {
    try {
      return decodeURIComponent(encoded);
    } catch {
      // A malformed name is as good as none.
    }
  }
  return /filename="((?:[^"\\]|\\.)*)"/i.exec(header ?? '')?.[1]?.replace(/\\(.)/g, '$1');
}
