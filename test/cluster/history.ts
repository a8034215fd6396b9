/**
 * A stream of submits at a fixed rate, and what became of each: acknowledged or not. Written from
 * outside, through the client library, as an application would.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connect, TqError } from "task-queue-client";

export interface History {
  /** Ids that a broker has acknowledged. */
  readonly acknowledged: Set<string>;
  /** Ends the stream; resolves when every submit under way is answered. */
  stop(): Promise<void>;
}

const TICK_MS = 50;

export function submitSteadily(servers: readonly string[], perSecond: number): History {
  const client = connect({ servers, timeoutMs: 60_000, name: "history" });
  const acknowledged = new Set<string>();
  const open = new Set<Promise<void>>();
  let stopped = false;
  let n = 0;
  const submitOne = async (): Promise<void> => {
    const payload = { n: n++, text: "x".repeat(200) };
    const options = { queue: n % 3 === 0 ? "mail" : "default", maxRetries: 1000 };
    const task = await client.submit("work", payload, options).catch((error) => {
      if (error instanceof TqError && error.retryable) return undefined;
      throw error;
    });
    if (task !== undefined) acknowledged.add(task.id);
  };
  const stream = (async () => {
    while (!stopped) {
      for (let i = 0; i < (perSecond * TICK_MS) / 1000; i++) {
        const submit = submitOne().finally(() => open.delete(submit));
        open.add(submit);
      }
      await sleep(TICK_MS);
    }
  })();
  return {
    acknowledged,
    stop: async () => {
      stopped = true;
      await stream;
      await Promise.all(open);
      await client.close();
    },
  };
}
