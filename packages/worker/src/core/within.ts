/** Waits for something, but not for ever. */
import type { Clock } from "../clock.ts";

/** What `promise` was resolved with; undefined when `ms` were over first. */
export async function within<T>(
  clock: Clock,
  ms: number,
  promise: Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  let expire: (value: undefined) => void = () => {};
  const expired = new Promise<undefined>((resolve) => {
    expire = resolve;
  });
  const timer = clock.after(ms, () => expire(undefined));
  try {
    return await Promise.race([promise.then((value) => ({ value })), expired]);
  } finally {
    timer.cancel();
  }
}
