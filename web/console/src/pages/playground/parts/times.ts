// How a turn of the playground was spent.

/** How a turn's time was spent, in its order: looking up, waiting for the first word, writing. */
export function spent(timings: { retrieval: number; first_text: number | null; total: number }): { retrieval: number; waiting: number; writing: number } {
  const first = Math.min(timings.first_text ?? timings.total, timings.total);
  const retrieval = Math.min(timings.retrieval, first);
  return { retrieval, waiting: first - retrieval, writing: timings.total - first };
}
