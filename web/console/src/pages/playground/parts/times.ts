// Short times as the person's language writes them.

import { language } from '../../../lib/language.svelte';

/** "85ms", "1.24s". */
export function seconds(milliseconds: number): string {
  const short = milliseconds < 1000;
  const value = short ? milliseconds : milliseconds / 1000;
  const digits = short ? (milliseconds < 10 ? 1 : 0) : 2;
  const unit = short ? 'millisecond' : 'second';
  return new Intl.NumberFormat(language.value, { style: 'unit', unit, unitDisplay: 'narrow', maximumFractionDigits: digits }).format(value);
}

/** How a turn's time was spent, in its order: looking up, waiting for the first word, writing. */
export function spent(timings: { retrieval: number; first_text: number | null; total: number }): { retrieval: number; waiting: number; writing: number } {
  const first = Math.min(timings.first_text ?? timings.total, timings.total);
  const retrieval = Math.min(timings.retrieval, first);
  return { retrieval, waiting: first - retrieval, writing: timings.total - first };
}
