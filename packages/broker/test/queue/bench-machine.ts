/**
 * How many tasks a second one core takes through the queue machine: encode, decode, apply and
 * flush of submit, lease and complete, in batches of 100 with 200-byte payloads, all within one
 * flush interval of 50 batches. No disk, no network. A script; its figure is printed, not
 * asserted.
 */
import {
  type Batch,
  type Command,
  decodeBatch,
  encodeBatch,
  NO_EXTRAS,
  PLAIN_BACKOFF,
  type QueueEvent,
  QueueMachine,
} from "../../src/queue/index.ts";

const BATCH = 100;
const ROUNDS = 4_000;
const FLUSH_EVERY = 50;
const START = 1_700_000_000_000;
const payload = new Uint8Array(200).fill(120);
const result = new Uint8Array(16).fill(121);

const machine = new QueueMachine({ get: () => undefined });
let index = 0;
let clock = START;
let serial = 0;

function newId(): Uint8Array {
  const id = new Uint8Array(16);
  const view = new DataView(id.buffer);
  view.setUint32(0, Math.floor(clock / 65_536));
  view.setUint16(4, clock % 65_536);
  view.setUint16(6, 0x7000);
  view.setUint32(8, Math.imul(++serial, 0x9e3779b1) >>> 0);
  view.setUint32(12, serial);
  return id;
}

function submitCommand(): Command {
  return {
    type: "submit",
    id: newId(),
    content: {
      type: "mail.send",
      queue: "default",
      priority: "normal",
      payload,
      payloadType: "binary",
      delayMs: 0,
      runAt: 0,
      timeoutMs: 0,
      retry: {},
      idempotencyKey: "",
      tags: [],
      metadata: "",
      traceparent: "",
      ...NO_EXTRAS,
    },
    retry: {
      ...PLAIN_BACKOFF,
      maxRetries: 3,
      initialDelayMs: 5000,
      multiplier: 2,
      maxDelayMs: 3_600_000,
      jitter: 0.1,
    },
    depthLimit: 100_000,
  };
}

function run(commands: readonly Command[]): QueueEvent[] {
  const batch: Batch = { at: clock, commands };
  machine.apply(++index, decodeBatch(encodeBatch(batch)));
  return machine.events.splice(0);
}

function round(): void {
  const submits: Command[] = [];
  for (let i = 0; i < BATCH; i++) submits.push(submitCommand());
  submits.push({ type: "lease", session: "w1", count: BATCH });
  const completes: Command[] = [];
  for (const event of run(submits)) {
    if (event.type !== "leased") continue;
    const { id, token } = event;
    machine.delivery(event.slot, token);
    completes.push({ type: "complete", id, token, result, resultType: "json" });
  }
  if (completes.length !== BATCH) throw new Error(`${completes.length} tasks were leased`);
  run(completes);
  clock += 1;
}

function measure(rounds: number): number {
  const from = process.hrtime.bigint();
  const cpuFrom = process.cpuUsage();
  let writes = 0;
  for (let i = 1; i <= rounds; i++) {
    round();
    if (i % FLUSH_EVERY !== 0) continue;
    writes += machine.beginFlush().writes.length;
    machine.flushed();
  }
  const seconds = Number(process.hrtime.bigint() - from) / 1e9;
  const perSecond = Math.round((rounds * BATCH) / seconds);
  const cpuMicros = process.cpuUsage(cpuFrom).user / (rounds * BATCH);
  const records = (writes / (rounds * BATCH)).toFixed(2);
  console.log(`${perSecond} tasks/s, ${cpuMicros.toFixed(2)} µs CPU and ${records} records a task`);
  return perSecond;
}

run([
  {
    type: "register",
    session: "w1",
    secret: new Uint8Array(16),
    name: "w1",
    queues: [],
    types: ["mail.send"],
    labels: [],
    concurrency: 100,
    version: "1",
    leaseMs: 30_000,
  },
]);
measure(ROUNDS / 4);
const figures = [measure(ROUNDS), measure(ROUNDS), measure(ROUNDS)];
console.log(
  `best of three: ${Math.max(...figures)} tasks/s, ${machine.counts().completed} completed`,
);
