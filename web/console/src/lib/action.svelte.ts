// Something that a person sets off: whether it is under way, and why it failed.

import { ApiError } from '@okra/client';

export class Action<Values extends unknown[] = []> {
  pending = $state(false);
  error = $state.raw<ApiError>();

  constructor(private readonly act: (...values: Values) => Promise<unknown>) {}

  /** Does it, once at a time; resolves to whether it was done. */
  readonly run = async (...values: Values): Promise<boolean> => {
    if (this.pending) return false;
    this.pending = true;
    this.error = undefined;
    try {
      await this.act(...values);
      return true;
    } catch (thrown) {
      this.error = ApiError.from(thrown);
      return false;
    } finally {
      this.pending = false;
    }
  };

  /** What is wrong with one field, as the server said. */
  problem(field: string): string | undefined {
    return this.error?.problem(field);
  }

  /** Whether the error belongs to none of `fields`, and so has to be shown by itself. */
  general(...fields: string[]): ApiError | undefined {
    const { error } = this;
    if (!error || error.details.some(({ field }) => fields.includes(field))) return undefined;
    return error;
  }
}
