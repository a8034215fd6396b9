/** After how long it makes sense to send a refused request again, unchanged. */
import { ERRORS, type TqError } from "task-queue-protocol";
import { RateLimited } from "./access.ts";

/** Seconds by HTTP status, as in `Retry-After`. */
const SECONDS: Readonly<Record<number, number>> = { 429: 2, 503: 1 };

/** Undefined: there is no such time. `http`: the status, where it is not that of the code. */
export function retryAfterSeconds(
  error: TqError,
  http: number = ERRORS[error.code].http,
): number | undefined {
  if (error instanceof RateLimited) return Math.ceil(error.retryAfterMs / 1000);
  return SECONDS[http];
}
