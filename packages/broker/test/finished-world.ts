/**
 * A queue machine with a store of its own, of which a test says when it is flushed, and a reader of
 * its history. Tasks end at once, in different ways.
 */
import { expect } from "vitest";
import { HistoryReader } from "../src/history.ts";
import { idAt } from "../src/id-time.ts";
import type { TaskFilter } from "../src/operations/task-filter.ts";
import type { KeyRange, StateStore } from "../src/ports.ts";
import {
  type Command,
  NO_EXTRAS,
  PLAIN_BACKOFF,
  QueueMachine,
  type Reply,
  type TaskContent,
  type TaskId,
  type TaskView,
} from "../src/queue/index.ts";

export const START = Date.UTC(2026, 2, 31);
const RETRY = { ...PLAIN_BACKOFF, maxRetries: 0, initialDelayMs: 1, multiplier: 1, maxDelayMs: 1 };

/** The first 48 bits of an id are its time. */
export function timeOf(id: TaskId): number {
  return Buffer.from(id).readUIntBE(0, 6);
}

/** A machine with a store of its own, of which a test says when it is flushed. */
export class World {
  readonly rows = new Map<string, readonly [Uint8Array, Uint8Array]>();
  readonly machine = new QueueMachine({ get: (key) => this.rows.get(keyOf(key))?.[1] });
  readonly ids: TaskId[] = [];
  scans = 0;
  now = START;
  readonly owner = {
    replica: { queue: this.machine },
    state: {
      scan: (range: KeyRange, limit: number) => this.#scan(range, limit),
    } as unknown as StateStore,
  };
  readonly reader = new HistoryReader(this.owner);

  constructor(version = 3) {
    this.machine.raise(version);
    this.apply({
      type: "register",
      session: "w",
      secret: new Uint8Array(16),
      name: "w",
      queues: [],
      types: ["a", "b"],
      labels: [],
      concurrency: 1,
      version: "1",
      leaseMs: 1e12,
    });
  }

  apply(command: Command): Reply {
    const [reply] = this.machine.apply(this.machine.applied + 1, {
      at: this.now,
      commands: [command],
    });
    if (!["ok", "leased"].includes(reply!.code)) throw new Error(JSON.stringify(reply));
    this.machine.events.splice(0);
    return reply!;
  }

  /** Submits a task and ends it: completed, dead, cancelled by turns. */
  finish(n: number, queue: string, extras: Partial<TaskContent> = {}): TaskId {
    const id = this.submit(n, queue, extras);
    this.#end(n, id);
    return id;
  }

  /** `aheadMs`: of the time in the id before that of the cluster. */
  submit(n: number, queue: string, extras: Partial<TaskContent> = {}, aheadMs = 0): TaskId {
    this.now += 1_000;
    const id = idAt(this.now + aheadMs);
    id[6] = 0x70;
    id[8] = 0x80;
    // Another task may come to have the same time.
    if (aheadMs !== 0) id[15] = 1;
    this.ids.push(id);
    const content = {
      type: n % 2 === 0 ? "a" : "b",
      queue,
      priority: "normal",
      payload: Buffer.from("null"),
      payloadType: "json",
      delayMs: 0,
      runAt: 0,
      timeoutMs: 0,
      ...NO_EXTRAS,
      retry: {},
      idempotencyKey: "",
      tags: n % 7 === 0 ? ["red"] : [],
      metadata: "",
      traceparent: "",
      group: n % 5 === 0 ? "g" : "",
      ...extras,
    } as const;
    this.apply({ type: "submit", id, content, retry: { ...RETRY, jitter: 0 }, depthLimit: 0 });
    return id;
  }

  #end(n: number, id: TaskId): Reply {
    if (n % 3 === 2) return this.apply({ type: "cancel", id, reason: "" });
    this.apply({ type: "lease", session: "w", count: 1 });
    const token = this.machine.leases("w")[0]!.token;
    if (n % 3 === 0) {
      const result = Buffer.from("1");
      return this.apply({ type: "complete", id, token, result, resultType: "json" });
    }
    const error = { message: n % 2 === 0 ? `no ${n}` : "other", stack: "" };
    return this.apply({
      type: "fail",
      id,
      token,
      error,
      retryAfterMs: undefined,
      retryable: false,
    });
  }

  flush(): void {
    for (const { key, value } of this.machine.beginFlush().writes) {
      if (value === undefined) this.rows.delete(keyOf(key));
      else this.rows.set(keyOf(key), [key.slice(), value.slice()]);
    }
    this.machine.flushed();
  }

  /** All pages. */
  async list(filter: TaskFilter, limit: number): Promise<TaskView[]> {
    const found: TaskView[] = [];
    let before: TaskId | undefined;
    do {
      const page = await this.reader.list(filter, before, limit);
      expect(page.tasks.length).toBeLessThanOrEqual(limit);
      found.push(...page.tasks);
      before = page.next;
    } while (before !== undefined);
    return found;
  }

  async #scan({ gte, lt, reverse }: KeyRange, limit: number) {
    this.scans++;
    const rows = [...this.rows.values()]
      .filter(([key]) => Buffer.compare(key, gte) >= 0 && Buffer.compare(key, lt) < 0)
      .sort(([a], [b]) => Buffer.compare(a, b));
    return (reverse === true ? rows.reverse() : rows).slice(0, limit);
  }
}

function keyOf(key: Uint8Array): string {
  return Buffer.from(key).toString("hex");
}
