// What an error is to a person: a title, and what to do about it.

import { OFFLINE, type ApiError } from '@okra/client';
import { say } from '../lib/language.svelte';
import words from './words';

export function explain(error: ApiError): { title: string; text: string } {
  const t = say(words);
  if (error.code === OFFLINE) return { title: t.offline, text: t.offlineWhy };
  if (error.code === 'role_too_low') return { title: t.failed, text: t.forbidden };
  if (error.retryAfter) return { title: t.failed, text: t.limited(error.retryAfter) };
  const fields = error.details.map(({ field, problem }) => `${field}: ${problem}`).join('. ');
  return { title: t.failed, text: fields && !error.message.includes(fields) ? `${error.message} ${fields}` : error.message };
}
