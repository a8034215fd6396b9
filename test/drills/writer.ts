/**
 * An application that writes all the time: submits at a fixed rate through the client library, each
 * counted from the moment it was due, whether or not earlier ones are still waiting for an answer.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "task-queue-client";
import type { Front } from "../cluster/processes.ts";
import { dialOf } from "../cluster/submitter.ts";

export interface Write {
  readonly startedAt: number;
  readonly endedAt: number;
}

export interface Writer {
  /** In the order in which they were acknowledged. */
  readonly acknowledged: readonly Write[];
  readonly ids: ReadonlySet<string>;
  readonly failures: readonly unknown[];
  /** Resolves when all that are under way now are answered. */
  answered(): Promise<void>;
  /** Resolves when all under way are answered, and there are no more. */
  stop(): Promise<void>;
}

const TICK_MS = 5;
const DEADLINE_MS = 30_000;

export function writeSteadily(
  servers: readonly string[],
  perSecond: number,
  access: Front["access"] = {},
): Writer {
  const dial = dialOf({ access });
  const client = connect({ servers, timeoutMs: DEADLINE_MS, name: "drill", ...dial });
  const acknowledged: Write[] = [];
  const ids = new Set<string>();
  const failures: unknown[] = [];
  const open = new Set<Promise<void>>();
  const start = performance.now();
  let stopped = false;
  let count = 0;
  const submitOne = async (startedAt: number): Promise<void> => {
    try {
      const payload = { n: count, text: "x".repeat(200) };
      const { id } = await client.submit("work", payload, { queue: "drill" });
      ids.add(id);
      acknowledged.push({ startedAt, endedAt: performance.now() });
    } catch (error) {
      failures.push(error);
    }
  };
  const stream = (async () => {
    while (!stopped) {
      const dueCount = ((performance.now() - start) / 1000) * perSecond;
      for (; count < dueCount; count++) {
        const dueAt = start + (count / perSecond) * 1000;
        const submit = submitOne(dueAt).finally(() => open.delete(submit));
        open.add(submit);
      }
      await sleep(TICK_MS);
    }
  })();
  return {
    acknowledged,
    ids,
    failures,
    answered: async () => void (await Promise.all(open)),
    stop: async () => {
      stopped = true;
      await stream;
      await Promise.all(open);
      await client.close();
    },
  };
}

/** The longest time between two acknowledgements that overlaps `from` to `to`. */
export function longestGap(writes: readonly Write[], from: number, to: number): number {
  let longest = 0;
  for (let i = 1; i < writes.length; i++) {
    const before = writes[i - 1]!.endedAt;
    const after = writes[i]!.endedAt;
    if (after >= from && before <= to) longest = Math.max(longest, after - before);
  }
  return longest;
}

/** The slowest answer to a write that was under way between `from` and `to`. */
export function slowest(writes: readonly Write[], from: number, to: number): number {
  let longest = 0;
  for (const { startedAt, endedAt } of writes) {
    if (endedAt >= from && startedAt <= to) longest = Math.max(longest, endedAt - startedAt);
  }
  return longest;
}
