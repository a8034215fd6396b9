/**
 * What the tests of the queue machine share: a store in memory, short ways to write commands, and a
 * driver that keeps the log, so that a machine can be restarted from its records and caught up.
 */

import { decodeBatch, encodeBatch } from "../../src/queue/codec/batch.ts";
import { NO_EXTRAS } from "../../src/queue/codec/content.ts";
import { PLAIN_BACKOFF } from "../../src/queue/codec/policy.ts";
import type { Command, Submit } from "../../src/queue/command.ts";
import type { QueueEvent } from "../../src/queue/event.ts";
import { keyText } from "../../src/queue/keys.ts";
import { QueueMachine } from "../../src/queue/machine.ts";
import type { Flush, RecordReader } from "../../src/queue/records.ts";
import type { Reply } from "../../src/queue/reply.ts";
import type { TaskContent, TaskId, TaskView } from "../../src/queue/task.ts";
import type { KeyRange } from "../../src/queue/view.ts";

export const START = 1_700_000_000_000;
export const HOUR = 3_600_000;
/** So few that they turn over all the time. */
export const KNOWN_IDS = 8;

export type Entry = readonly [Uint8Array, Uint8Array];

/** A store of records as an ordered map; `reads` counts the look-ups. */
export class MemoryStore implements RecordReader {
  readonly records = new Map<string, Entry>();
  reads = 0;

  get(key: Uint8Array): Uint8Array | undefined {
    this.reads++;
    return this.records.get(keyText(key))?.[1];
  }

  write({ writes }: Flush): void {
    for (const { key, value } of writes) {
      if (value === undefined) this.records.delete(keyText(key));
      else this.records.set(keyText(key), [key.slice(), value.slice()]);
    }
  }

  scan({ gte, lt }: KeyRange): Entry[] {
    const keys = [...this.records.keys()].sort();
    const found = keys.filter((key) => key >= keyText(gte) && key < keyText(lt));
    return found.map((key) => this.records.get(key)!);
  }
}

/**
 * A machine with a store and a log. Each batch goes through the codec and checks all invariants.
 */
export class Driver {
  readonly store = new MemoryStore();
  machine = new QueueMachine(this.store, 0, undefined, KNOWN_IDS);
  now = START;
  /** Batches; a number stands for an entry that raises the version of the cluster to it. */
  readonly #log: (Uint8Array | number)[] = [];
  #unwritten: Flush | undefined;

  get log(): readonly (Uint8Array | number)[] {
    return this.#log;
  }

  apply(...commands: Command[]): Reply[] {
    const bytes = encodeBatch({ at: this.now, commands });
    this.#log.push(bytes);
    const replies = this.machine.apply(this.#log.length, decodeBatch(bytes));
    this.machine.checkInvariants();
    return replies;
  }

  /** From now on in the way of this version of the cluster. */
  raise(version: number): void {
    this.#log.push(version);
    replay(this.machine, this.#log.length, version);
  }

  one(command: Command): Reply {
    return this.apply(command)[0]!;
  }

  takeEvents(): QueueEvent[] {
    return this.machine.events.splice(0);
  }

  task(id: TaskId): TaskView {
    const task = this.machine.task(id);
    if (task === undefined) throw new Error("no such task");
    return task;
  }

  beginFlush(): void {
    if (this.#unwritten !== undefined) return;
    this.#unwritten = this.machine.beginFlush();
    this.machine.checkInvariants();
  }

  endFlush(): void {
    if (this.#unwritten === undefined) return;
    this.store.write(this.#unwritten);
    this.#unwritten = undefined;
    this.machine.flushed();
    this.machine.checkInvariants();
  }

  flush(): void {
    this.endFlush();
    this.beginFlush();
    this.endFlush();
  }

  /** As after a crash: what was not flushed is lost, and the log after it is applied again. */
  restart(): void {
    this.#unwritten = undefined;
    const machine = new QueueMachine(this.store, 0, undefined, KNOWN_IDS);
    for (const range of QueueMachine.BOOT_RANGES) machine.load(this.store.scan(range));
    machine.loaded();
    machine.checkInvariants();
    for (let index = machine.applied + 1; index <= this.#log.length; index++) {
      replay(machine, index, this.#log[index - 1]!);
    }
    machine.events.splice(0);
    machine.checkInvariants();
    this.machine = machine;
  }
}

function replay(machine: QueueMachine, index: number, entry: Uint8Array | number): void {
  if (typeof entry !== "number") {
    machine.apply(index, decodeBatch(entry));
    return;
  }
  machine.skip(index);
  machine.raise(entry);
}

/** Id number `serial`, minted at `at`. */
export function makeId(serial: number, at: number = START): TaskId {
  const id = new Uint8Array(16);
  const view = new DataView(id.buffer);
  view.setUint32(0, Math.floor(at / 65_536));
  view.setUint16(4, at % 65_536);
  view.setUint16(6, 0x7000);
  view.setUint32(8, 0x8000_0000);
  view.setUint32(12, serial);
  return id;
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function makeContent(given: Partial<TaskContent> = {}): TaskContent {
  return {
    type: "mail",
    queue: "default",
    priority: "normal",
    payload: bytesOf("{}"),
    payloadType: "json",
    delayMs: 0,
    runAt: 0,
    timeoutMs: 0,
    retry: {},
    idempotencyKey: "",
    tags: [],
    metadata: "",
    traceparent: "",
    ...NO_EXTRAS,
    ...given,
  };
}

export const RETRY = {
  ...PLAIN_BACKOFF,
  maxRetries: 3,
  initialDelayMs: 5000,
  multiplier: 2,
  maxDelayMs: HOUR,
  jitter: 0,
};

export function submitOf(
  id: TaskId,
  content: Partial<TaskContent> = {},
  rest: Partial<Pick<Submit, "retry" | "depthLimit">> = {},
): Submit {
  return {
    type: "submit",
    id,
    content: makeContent(content),
    retry: RETRY,
    depthLimit: 0,
    ...rest,
  };
}

export function registerOf(
  session: string,
  given: Partial<Extract<Command, { type: "register" }>> = {},
) {
  return {
    type: "register" as const,
    session,
    secret: bytesOf(`secret of ${session}`),
    name: `worker ${session}`,
    queues: [],
    types: ["mail"],
    labels: [],
    concurrency: 4,
    version: "1.0.0",
    leaseMs: 30_000,
    ...given,
  };
}

export function failOf(
  id: TaskId,
  token: number,
  given: Partial<Extract<Command, { type: "fail" }>> = {},
) {
  return {
    type: "fail" as const,
    id,
    token,
    error: { message: "broken", stack: "" },
    retryAfterMs: undefined,
    retryable: true,
    ...given,
  };
}

export function completeOf(id: TaskId, token: number) {
  return {
    type: "complete" as const,
    id,
    token,
    result: bytesOf("1"),
    resultType: "json" as const,
  };
}
