/**
 * A queue machine and its dispatcher in one process, told of each turn what a leader would tell
 * them: tasks come in, workers finish what they were given the turn before, and leases ride behind.
 * No disk, no network, no Raft: what is left is what the rules themselves cost.
 */
import { setImmediate } from "node:timers/promises";
import {
  decodeBatch,
  encodeBatch,
  NO_EXTRAS,
  PLAIN_BACKOFF,
  QueueMachine,
} from "../../packages/broker/dist/queue/index.js";
import { Dispatcher } from "../../packages/broker/dist/replica/dispatcher.js";

const START = 1_700_000_000_000;
const FLUSH_EVERY = 50;
/** Tasks of one entry while a world is filled. */
const FILL_BATCH = 1_000;
const TYPE = "mail.send";

const payload = new Uint8Array(200).fill(120);
const result = new Uint8Array(16).fill(121);
const retry = {
  ...PLAIN_BACKOFF,
  maxRetries: 3,
  initialDelayMs: 5000,
  multiplier: 2,
  maxDelayMs: 3_600_000,
  jitter: 0.1,
};

export class World {
  #machine = new QueueMachine({ get: () => undefined });
  #dispatcher = new Dispatcher(this.#machine);
  #index = 0;
  #clock = START;
  #serial = 0;
  /** By queue and group. */
  #contents = new Map();
  /** Of all entries so far. */
  logBytes = 0;
  /** Leases that end with the next turn. */
  #ending = [];
  /** Sessions that never finish what they hold. */
  #stuck = new Set();

  constructor() {
    this.#machine.skip(++this.#index);
    this.#machine.raise(3);
  }

  /** `queues`: empty = all. A stuck worker keeps the tasks that it was given. */
  addWorker(session, { queues = [], window, isStuck = false }) {
    this.#apply([
      {
        type: "register",
        session,
        secret: new Uint8Array(16),
        name: session,
        queues,
        types: [TYPE],
        labels: [],
        concurrency: window,
        version: "1",
        leaseMs: 3_600_000,
      },
    ]);
    if (isStuck) this.#stuck.add(session);
    this.#dispatcher.attach(session);
    this.#dispatcher.setWindow(session, window);
  }

  /** Tasks that nobody leases yet. */
  async fill(count, placeOf) {
    for (let filled = 0; filled < count; filled += FILL_BATCH) {
      const size = Math.min(FILL_BATCH, count - filled);
      this.#apply(this.#submits(size, placeOf));
      this.#flush();
      // Or the finished records of a million tasks would wait for the first pause.
      await setImmediate();
    }
  }

  /** One entry of a leader. Returns how many tasks it has leased. */
  turn(count, placeOf) {
    const commands = [];
    for (const { session, id, token } of this.#ending) {
      this.#dispatcher.countEnding(session, 1);
      commands.push({ type: "complete", id, token, result, resultType: "json" });
    }
    const ended = this.#ending;
    this.#ending = [];
    commands.push(...this.#submits(count, placeOf));
    commands.push(...this.#dispatcher.leases(commands));
    const leased = this.#apply(commands, ended);
    this.#clock += 1;
    if (this.#index % FLUSH_EVERY === 0) this.#flush();
    return leased;
  }

  #apply(commands, ended = []) {
    const machine = this.#machine;
    const bytes = encodeBatch({ at: this.#clock, commands });
    this.logBytes += bytes.length;
    const batch = decodeBatch(bytes);
    const replies = machine.apply(++this.#index, batch);
    batch.commands.forEach((command, at) => {
      if (command.type !== "lease") return;
      this.#dispatcher.leaseApplied(command.session, replies[at].granted < command.count);
    });
    for (const { session } of ended) this.#dispatcher.countEnding(session, -1);
    let leased = 0;
    for (const event of machine.events) {
      if (event.type === "ready") this.#dispatcher.laneReady(event.lane);
      if (event.type !== "leased") continue;
      leased++;
      machine.delivery(event.slot, event.token);
      if (!this.#stuck.has(event.session)) this.#ending.push(event);
    }
    machine.events.length = 0;
    return leased;
  }

  #flush() {
    this.#machine.beginFlush();
    this.#machine.flushed();
  }

  #submits(count, placeOf) {
    const submits = [];
    for (let i = 0; i < count; i++) submits.push(this.#submit(placeOf(this.#serial)));
    return submits;
  }

  #submit({ queue, group = "" }) {
    return {
      type: "submit",
      id: this.#newId(),
      content: this.#content(queue, group),
      retry,
      depthLimit: 0,
    };
  }

  /** One for each place: to make it anew for each task would cost as much as what is measured. */
  #content(queue, group) {
    const place = `${queue} ${group}`;
    const known = this.#contents.get(place);
    if (known !== undefined) return known;
    const content = {
      type: TYPE,
      queue,
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
      group,
    };
    this.#contents.set(place, content);
    return content;
  }

  #newId() {
    const id = new Uint8Array(16);
    const view = new DataView(id.buffer);
    view.setUint32(0, Math.floor(this.#clock / 65_536));
    view.setUint16(4, this.#clock % 65_536);
    view.setUint16(6, 0x7000);
    view.setUint32(8, Math.imul(++this.#serial, 0x9e3779b1) >>> 0);
    view.setUint32(12, this.#serial);
    return id;
  }
}
