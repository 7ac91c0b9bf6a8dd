import { expect, test } from 'vitest';
import { answeredShare, dateOf, latencies, rangeOf, stacked, type Day } from '../src/pages/overview/parts/stats';

const day = (date: string, answered: number, unanswered: number, failed: number, median_ms: number | null): Day => ({
  date,
  questions: answered + unanswered + failed,
  answered,
  unanswered,
  failed,
  median_ms,
});
const days = [day('2026-11-23', 7, 2, 1, 1250), day('2026-11-24', 0, 0, 0, null)];

test('bars stand one on the other, so that each lower one is drawn over the higher', () => {
  expect(stacked(days)).toEqual([[0, 1], [10, 0], [9, 0], [7, 0]]);
});

test('a day without an answer is a gap in the times, not a zero', () => {
  expect(latencies(days)).toEqual([[0, 1], [1.25, null]]);
});

test('a share of no questions is none', () => {
  expect(answeredShare(days[0]!)).toBeCloseTo(0.7);
  expect(answeredShare(days[1]!)).toBeNull();
});

test.each([['7', '7'], ['90', '90'], ['', '30'], ['365', '30']])('days=%s looks at %s days', (named, expected) => {
  expect(rangeOf(new URLSearchParams({ days: named }))).toBe(expected);
});

test('a day begins where the person is', () => {
  expect(dateOf('2026-03-01')).toEqual(new Date(2026, 2, 1));
});
