// The numbers of the overview as they are drawn.

import type { components } from '@okra/client';

export type Overview = components['schemas']['OverviewReply'];
export type Day = Overview['days'][number];

export const RANGES = ['7', '30', '90'] as const;
export type Range = (typeof RANGES)[number];

/** The range that an address names; a month where it names none of ours. */
export const rangeOf = (query: URLSearchParams): Range => RANGES.find((range) => range === query.get('days')) ?? '30';

/** How many of some questions were answered, 0 to 1; null where none was asked. */
export const answeredShare = ({ questions, answered }: { questions: number; answered: number }): number | null => (questions > 0 ? answered / questions : null);

/** Each day's place, and its counts one on top of the other: all questions, those that did not fail, the answered ones. */
export function stacked(days: readonly Day[]): [number[], number[], number[], number[]] {
  return [
    days.map((_, at) => at),
    days.map(({ questions }) => questions),
    days.map(({ answered, unanswered }) => answered + unanswered),
    days.map(({ answered }) => answered),
  ];
}

/** Each day's place and its median time in seconds, with a gap where nothing was answered. */
export function latencies(days: readonly Day[]): [number[], (number | null)[]] {
  return [days.map((_, at) => at), days.map(({ median_ms: median }) => (median === null || median === undefined ? null : median / 1000))];
}

/** A day such as `2026-11-24`, at its beginning where the person is. */
export function dateOf(day: string): Date {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  return new Date(year, month - 1, date);
}
