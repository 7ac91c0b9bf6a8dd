// Every way in which a call can fail, as one class.

/** One field at fault, as the server names it. */
export interface FieldProblem {
  field: string;
  problem: string;
}

/** The code of an error for a connection that failed, which no server sends. */
export const OFFLINE = 'offline';

/** Why a call failed: the server's word for it (`code`) and its sentence (`message`). */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly code: string,
    message: string,
    /** The HTTP status; 0 where no answer came. */
    readonly status: number,
    readonly details: readonly FieldProblem[] = [],
    /** Seconds to wait before trying again, where the server says so. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }

  /** What is wrong with one field, such as `settings.prompt`. */
  problem(field: string): string | undefined {
    return this.details.find((detail) => detail.field === field)?.problem;
  }

  /** Reads a failed answer; also one that is not ours, such as a proxy's page. */
  static async read(response: Response): Promise<ApiError> {
    const told = await response.json().catch(() => undefined);
    const { error, code, details } = (told ?? {}) as { error?: unknown; code?: unknown; details?: unknown };
    const seconds = Number(response.headers.get('retry-after'));
    // What stands between us and the server says 502 to 504 while the server is being restarted.
    const away = response.status >= 502 && response.status <= 504;
    return new ApiError(
      typeof code === 'string' ? code : away ? OFFLINE : 'failed',
      typeof error === 'string' ? error : `HTTP ${response.status}`,
      response.status,
      Array.isArray(details) ? details : [],
      seconds > 0 ? seconds : undefined,
    );
  }

  /** What was thrown, as an error of ours: anything else is a connection that failed. */
  static from(thrown: unknown): ApiError {
    return thrown instanceof ApiError ? thrown : new ApiError(OFFLINE, String(thrown), 0);
  }
}

/** Whether `thrown` only says that the caller gave the call up. */
export function isAborted(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === 'AbortError';
}
