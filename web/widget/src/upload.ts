// What uploading an image takes of a browser: a request that tells its progress, and a canvas.

import type { FormPost } from '@okra/chat';

/** Posts a form by XMLHttpRequest: `fetch` does not tell how much of a body has gone. */
export const postForm: FormPost = (url, token, form, progress, signal) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    request.setRequestHeader('authorization', `Bearer ${token}`);
    request.upload.onprogress = ({ loaded, total }) => total && progress(loaded / total);
    request.onload = () =>
      resolve({ status: request.status, retryAfter: request.getResponseHeader('retry-after'), body: request.responseText });
    request.onerror = request.onabort = () => reject(new Error('the upload did not arrive'));
    signal.addEventListener('abort', () => request.abort());
    request.send(form);
  });

/** The longest side of a picture that is kept anyway, in pixels. */
const SIDE = 2048;

/** Draws a picture that is too large for an upload smaller, as photos of new telephones are. */
export async function shrink(file: Blob): Promise<Blob> {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  const pen = canvas.getContext('2d')!;
  pen.fillStyle = '#fff'; // what is transparent would turn black
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((resolve, reject) =>
    canvas.toBlob((small) => (small ? resolve(small) : reject(new Error('no picture'))), 'image/jpeg', 0.88),
  );
}
