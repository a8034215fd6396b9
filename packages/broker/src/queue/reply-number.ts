/** A reply as the number that goes into the effect hash: what was decided, not how it was said. */
import { REFUSAL_CODES } from "./codec/reply.ts";
import type { Reply } from "./reply.ts";

/** To which the number of tasks is added. Beyond all refusals that there will ever be. */
const SUBMITTED = 1_000;

export function replyNumber(reply: Reply): number {
  if (reply.code === "ok") return reply.duplicate ? 1 : 0;
  if (reply.code === "submitted") return SUBMITTED + reply.tasks.length;
  return reply.code === "leased" ? 2 : 3 + REFUSAL_CODES.indexOf(reply.code);
}
