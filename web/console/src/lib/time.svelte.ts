// Times and numbers as the person's language writes them.

import { language } from './language.svelte';

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** "3 hours ago"; "now" within the minute. */
export function relative(time: Date, now: Date): string {
  const seconds = (time.getTime() - now.getTime()) / 1000;
  const [unit, size] = UNITS.find(([, least]) => Math.abs(seconds) >= least) ?? ['second', 1];
  const count = unit === 'second' ? 0 : Math.trunc(seconds / size);
  return new Intl.RelativeTimeFormat(language.value, { numeric: 'auto' }).format(count, unit);
}

/** "24 Nov 2026, 20:31" in the person's time zone. */
export function absolute(time: Date): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: 'medium', timeStyle: 'short' }).format(time);
}

/** "12,345". */
export function count(number: number): string {
  return new Intl.NumberFormat(language.value).format(number);
}

/** "1.2 MB": of 1,000 bytes each, as files are shown elsewhere. */
export function bytes(number: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, number)) / 3));
  const unit = units[power] ?? 'byte';
  const format = { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: power > 0 ? 1 : 0 } as const;
  return new Intl.NumberFormat(language.value, format).format(number / 1000 ** power);
}

/** "4.1%". */
export function share(part: number): string {
  return new Intl.NumberFormat(language.value, { style: 'percent', maximumFractionDigits: 1 }).format(part);
}

/** "0.84": with two digits after the point, so that numbers compare at a glance. */
export function decimal(number: number): string {
  return new Intl.NumberFormat(language.value, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(number);
}

/** "85ms", "1.24s". */
export function seconds(milliseconds: number): string {
  const short = milliseconds < 1000;
  const value = short ? milliseconds : milliseconds / 1000;
  const digits = short ? (milliseconds < 10 ? 1 : 0) : 2;
  const unit = short ? 'millisecond' : 'second';
  return new Intl.NumberFormat(language.value, { style: 'unit', unit, unitDisplay: 'narrow', maximumFractionDigits: digits }).format(value);
}

class Now {
  value = $state.raw(new Date());
}
const now = new Now();
let ticking: ReturnType<typeof setInterval> | undefined;

/** The time, which moves on each half minute; reactive. One timer serves every time that is shown. */
export function currentTime(): Date {
  ticking ??= setInterval(() => (now.value = new Date()), 30_000);
  return now.value;
}
