/** One say on a retry policy over another: what it leaves open stays as it was. */
import type { RetryPolicy } from "./task.ts";

type Wish = Partial<RetryPolicy>;

/** A share of jitter without a word on its kind is of the kind that has one. */
export function withWish<T extends Wish>(policy: T, wish: Wish): T {
  // Nearly every task says nothing of retries.
  if (Object.keys(wish).length === 0) return policy;
  const isShare = wish.jitter !== undefined && wish.jitterKind === undefined;
  return isShare ? { ...policy, ...wish, jitterKind: "extra" } : { ...policy, ...wish };
}
