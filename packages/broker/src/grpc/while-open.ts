/** For how long a call is worth working for. */
import type { EventEmitter } from "node:events";

/** Runs with a signal that ends when the caller has gone, its deadline is over, or all closes. */
export async function whileOpen<T>(
  call: EventEmitter,
  closing: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const end = () => over.abort();
  if (closing.aborted) end();
  // By hand rather than `AbortSignal.any`, which keeps what it made for as long as `closing` lives.
  closing.addEventListener("abort", end);
  call.once("cancelled", end);
  try {
    return await run(over.signal);
  } finally {
    // The library calls it at the end of every call: an abort that nobody waits for is dear.
    call.off("cancelled", end);
    closing.removeEventListener("abort", end);
  }
}
