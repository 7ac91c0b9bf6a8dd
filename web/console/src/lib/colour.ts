// Colours as settings hold them, and how well they can be told apart (WCAG 2.2).

import { luminance } from '@okra/widget/look';

/** `#RRGGBB` in small letters for `#RGB` and `#RRGGBB`; undefined for anything else. */
export function hex6(text: string): string | undefined {
  const digits = /^#([\da-f]{3}|[\da-f]{6})$/i.exec(text.trim())?.[1]?.toLowerCase();
  if (!digits) return undefined;
  return `#${digits.length === 3 ? [...digits].map((digit) => digit + digit).join('') : digits}`;
}

/** From 1 (the same) to 21 (black on white). */
export function contrast(a: string, b: string): number {
  const [first, second] = [luminance(a), luminance(b)];
  return (Math.max(first, second) + 0.05) / (Math.min(first, second) + 0.05);
}
