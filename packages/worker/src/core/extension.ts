/** `ctx.extend`: asked over any number of connections, until a broker has answered. */
import type { Clock } from "../clock.ts";
import type { Held } from "./held.ts";
import type { Link } from "./link.ts";
import { within } from "./within.ts";

export interface ExtensionOptions {
  readonly clock: Clock;
  link(): Link | undefined;
  nextLink(): Promise<void>;
}

const EXTEND_AGAIN_MS = 200;
const LINK_LOST = { code: "outcome_unknown", message: "the connection ended", retryable: true };

/** Rejects with the broker's refusal, and with the reason of the run's signal. */
export async function extendLease(
  { clock, link, nextLink }: ExtensionOptions,
  held: Held,
  forMs: number,
): Promise<void> {
  for (;;) {
    held.signal.throwIfAborted();
    const present = link();
    if (present === undefined) {
      await Promise.race([nextLink(), aborted(held.signal)]);
      continue;
    }
    const sentAt = clock.now();
    const refusal = await present.extend(held.task.id, held.token, forMs).catch(() => LINK_LOST);
    if (refusal === undefined) {
      held.extendedUntil = Math.max(held.extendedUntil, sentAt + forMs);
      return;
    }
    if (!refusal.retryable) throw new Error(`${refusal.code}: ${refusal.message}`);
    await within(clock, EXTEND_AGAIN_MS, aborted(held.signal));
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
