// Which rows of a long list are near enough to the window to be drawn.

export interface Window {
  /** The first row to draw, and the one after the last. */
  from: number;
  to: number;
  /** Pixels above the first. */
  offset: number;
  /** Pixels of the whole list. */
  height: number;
}

/** Rows of one height; `spare` more are drawn at both ends, so that quick scrolling shows no gap. */
export function visible(rows: number, height: number, top: number, view: number, spare = 8): Window {
  const first = Math.min(Math.max(0, Math.floor(top / height) - spare), Math.max(0, rows - 1));
  const last = Math.min(rows, Math.ceil((top + view) / height) + spare);
  return { from: first, to: Math.max(first, last), offset: first * height, height: rows * height };
}
