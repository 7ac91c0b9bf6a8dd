// Headers as lines of text. Their values are never shown: `…` stands for the one that there is.

const KEPT = '…';

/** The names of headers that are there, as lines. */
export const linesOf = (names: readonly string[]): string => names.map((name) => `${name}: ${KEPT}`).join('\n');

/** The headers of these lines; null stands for a value that stays. */
export function headersIn(lines: string): Record<string, string | null> {
  const headers: Record<string, string | null> = {};
  for (const line of lines.split('\n')) {
    if (!line.trim()) continue;
    const [name = '', ...rest] = line.split(':');
    const value = rest.join(':').trim();
    headers[name.trim()] = value === KEPT ? null : value;
  }
  return headers;
}
