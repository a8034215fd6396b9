/**
 * A refusal as an exception: what a caller of the client sees, and what a broker's edge throws and
 * answers. It carries a code of the one error catalogue, so that a program can decide by it.
 */
import { ERRORS, type ErrorBody, type ErrorCode } from "./errors.ts";

export interface TqErrorOptions {
  /** Dotted path of the offending field: `tasks[3].delay_ms`. */
  readonly field?: string | undefined;
  readonly cause?: unknown;
}

export class TqError extends Error {
  override readonly name = "TqError";
  readonly code: ErrorCode;
  readonly field: string | undefined;

  constructor(code: ErrorCode, message: string, options: TqErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.field = options.field;
  }

  /** May the same request, unchanged, succeed later? */
  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  /** The form that travels. */
  toBody(): ErrorBody {
    const { code, message, field } = this;
    return field === undefined ? { code, message } : { code, message, field };
  }
}

/** Is this text a code of the catalogue of this version? */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
