/**
 * When to send a request again. Only what is idempotent goes through here, which is everything the
 * client sends: a submit by its task id, a retry or delete by its request id, the rest by nature.
 */
import { type ErrorCode, TqError } from "task-queue-protocol";

/** Refusals after which the same request may be sent again at once, without asking the caller. */
const AGAIN: ReadonlySet<string> = new Set<ErrorCode>([
  "no_leader",
  "outcome_unknown",
  "overloaded",
  "rate_limited",
]);

export function mayResend(code: string): boolean {
  return AGAIN.has(code);
}

const DELAY_MS_FIRST = 40;
const DELAY_MS_MAX = 250;
/** Of a key that has asked for too much: its tokens come at the rate of the key, not sooner. */
const LIMITED_DELAY_MS_MAX = 2_000;

/**
 * Wait before try number `tries` + 1: growing, at random, so that a crowd does not march in step.
 */
export function resendDelayMs(tries: number, code?: string): number {
  const max = code === "rate_limited" ? LIMITED_DELAY_MS_MAX : DELAY_MS_MAX;
  const ceiling = Math.min(max, DELAY_MS_FIRST * 2 ** Math.min(tries - 1, 8));
  return ceiling * (0.5 + Math.random() / 2);
}

/** The connection, or the time, ended before the answer to the one try came. */
export function unanswered(what: string): TqError {
  return new TqError("outcome_unknown", `${what}: no answer came; it may have taken effect`);
}

/** The end of patience, told by what is known: was it ever sent, and what came back last? */
export function outOfTime(
  what: string,
  deadlineMs: number,
  sent: boolean,
  last: Error | undefined,
): TqError {
  const why = last === undefined ? "" : ` (${last.message.replace(/; nothing was done$/, "")})`;
  if (sent) {
    const advice = "it may have taken effect, and may be sent again";
    const message = `${what}: no answer within ${deadlineMs} ms${why}; ${advice}`;
    return new TqError("outcome_unknown", message, { cause: last });
  }
  // There were brokers, and they said why not.
  if (last instanceof TqError && last.code === "rate_limited") return last;
  return new TqError(
    "no_leader",
    `${what}: no broker took it within ${deadlineMs} ms${why}; nothing was done`,
    { cause: last },
  );
}
