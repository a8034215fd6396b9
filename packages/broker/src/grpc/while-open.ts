/** For how long a call is worth working for. */
import type { EventEmitter } from "node:events";

/** Runs with a signal that ends when the caller has gone, its deadline is over, or all closes. */
export async function whileOpen(
  call: EventEmitter,
  closing: AbortSignal,
  run: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const over = new AbortController();
  const end = () => over.abort();
  if (closing.aborted) end();
  // By hand rather than `AbortSignal.any`, which keeps what it made for as long as `closing` lives.
  closing.addEventListener("abort", end);
  call.once("cancelled", end);
  try {
    await run(over.signal);
  } finally {
    closing.removeEventListener("abort", end);
  }
}
