// Settings while they are being changed: what was saved, what is typed, and whether they differ.

type Json = string | number | boolean | null | undefined | Json[] | { [key: string]: Json };

export class Draft<T extends object> {
  /** What is typed; bind fields to it. */
  value = $state() as T;
  #saved = $state.raw() as T;
  readonly dirty = $derived(!equal($state.snapshot(this.value) as Json, this.#saved as Json));

  constructor(saved: T) {
    this.saved(saved);
  }

  /** What is typed is saved, as the server now has it. */
  saved(value: T): void {
    this.#saved = structuredClone(value);
    this.value = structuredClone(value);
  }

  /** Back to what was saved. */
  reset(): void {
    this.value = structuredClone(this.#saved);
  }

  /** The top-level fields that differ, for a merge patch. */
  changes(): Partial<T> {
    const typed = $state.snapshot(this.value) as T;
    const names = Object.keys(typed) as (keyof T)[];
    const changed = names.filter((name) => !equal(typed[name] as Json, this.#saved[name] as Json));
    return Object.fromEntries(changed.map((name) => [name, typed[name]])) as Partial<T>;
  }
}

/** Whether two values are the same JSON, whatever the order of their fields. */
export function equal(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b || Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((value, at) => equal(value, b[at]));
  const [left, right] = [a as Record<string, Json>, b as Record<string, Json>];
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].every((name) => equal(left[name], right[name]));
}
