/** `sleep {ms}`: waits, then succeeds. For trying out leases, cancelling and draining. */
import { setTimeout as delay } from "node:timers/promises";
import type { Handler } from "../handler.ts";
import { fieldsOf, optionalWhole } from "./fields.ts";

const SLEEP_MS_MAX = 24 * 3_600_000;

export const sleep: Handler<unknown> = async (payload, ctx) => {
  const ms = optionalWhole(fieldsOf(payload, "sleep", ["ms"]), "ms", 0, SLEEP_MS_MAX) ?? 1_000;
  await delay(ms, undefined, { signal: ctx.signal });
  return { slept_ms: ms };
};
