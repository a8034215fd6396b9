/**
 * The retry policies of the live tasks, each kept once: a million tasks have a handful of them
 * between them. Numbers are local to a replica and never reach a record or a reply.
 */
import type { RetryPolicy } from "./task.ts";

interface Kept {
  readonly policy: RetryPolicy;
  readonly text: string;
  tasks: number;
}

export class Policies {
  readonly #kept: (Kept | undefined)[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #free: number[] = [];
  /** Submits come in rows of one policy; it need not be spelled out again for each. */
  #newest: number | undefined;
  #newestTaken: RetryPolicy | undefined;

  /** For one more task. */
  take(policy: RetryPolicy): number {
    const number = this.#find(policy);
    this.#kept[number]!.tasks++;
    this.#newest = number;
    this.#newestTaken = policy;
    return number;
  }

  /** A task that had it is gone. */
  drop(number: number): void {
    const kept = this.#kept[number]!;
    if (--kept.tasks > 0) return;
    this.#kept[number] = undefined;
    this.#numbers.delete(kept.text);
    this.#free.push(number);
    if (this.#newest === number) this.#newest = undefined;
  }

  get(number: number): RetryPolicy {
    return this.#kept[number]!.policy;
  }

  #find(policy: RetryPolicy): number {
    const newest = this.#newest;
    if (newest !== undefined && policy === this.#newestTaken) return newest;
    if (newest !== undefined && isSame(this.#kept[newest]!.policy, policy)) return newest;
    const text = textOf(policy);
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#free.pop() ?? this.#kept.length;
    this.#kept[number] = { policy: { ...policy }, text, tasks: 0 };
    this.#numbers.set(text, number);
    return number;
  }
}

function isSame(one: RetryPolicy, other: RetryPolicy): boolean {
  return (
    one.maxRetries === other.maxRetries &&
    one.backoff === other.backoff &&
    one.initialDelayMs === other.initialDelayMs &&
    one.multiplier === other.multiplier &&
    one.maxDelayMs === other.maxDelayMs &&
    one.jitterKind === other.jitterKind &&
    one.jitter === other.jitter &&
    one.delaysMs.length === 0 &&
    other.delaysMs.length === 0
  );
}

function textOf({ delaysMs, ...policy }: RetryPolicy): string {
  const { maxRetries, backoff, initialDelayMs, multiplier, maxDelayMs } = policy;
  const { jitterKind, jitter } = policy;
  const parts = [maxRetries, backoff, initialDelayMs, multiplier, maxDelayMs, jitterKind, jitter];
  return [...parts, ...delaysMs].join(" ");
}
