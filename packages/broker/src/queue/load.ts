/**
 * Boot: rebuilds the machine from the records of `BOOT_RANGES`, in any order and in as many
 * pieces as the caller likes. Heaps and lease lists are built at the end, when every session is
 * known. A damaged record throws: a machine that starts with less than was written would diverge
 * from its peers.
 */
import { assert } from "./assert.ts";
import type { LiveRecord } from "./codec/live-record.ts";
import { decodeLive } from "./codec/live-record.ts";
import { decodeMeta, decodeQueue, decodeSession } from "./codec/small-records.ts";
import { EffectHash } from "./effect-hash.ts";
import { idOfTaskKey, LIVE, META, QUEUE, SESSION } from "./keys.ts";
import { CONTENT_STORED, FREE, NONE, STORED } from "./live-table.ts";
import type { QueueState } from "./state.ts";
import { LIVE_STATES, PENDING, RUNNING } from "./state-number.ts";
import { setRunTimer } from "./transitions.ts";

type Entry = readonly [Uint8Array, Uint8Array];

/** Tasks that are put into their heaps in one piece: some milliseconds. */
const SETTLE_SLOTS = 2048;
/**
 * Tasks for which the table is made large enough at once, as far as the queues' counters are known
 * before the first of them. What they say is believed only up to here.
 */
const RESERVED_MAX = 2 ** 22;

export class Loader {
  readonly #s: QueueState;
  /** Session ids of running tasks, by slot. */
  readonly #runs: { readonly slot: number; readonly session: string }[] = [];

  constructor(s: QueueState) {
    this.#s = s;
  }

  load(entries: Iterable<Entry>): void {
    for (const [key, value] of entries) this.#loadOne(key, value);
  }

  /**
   * Builds the indexes and checks the counters, with a pause after each `SETTLE_SLOTS` tasks: all
   * of half a million at once would hold up the caller for 100 ms.
   */
  *finish(): Generator<void, void> {
    const s = this.#s;
    // By token: the order of the grants, in which the lists were before the restart.
    this.#runs.sort((a, b) => s.table.token[a.slot]! - s.table.token[b.slot]!);
    for (const { slot, session: id } of this.#runs) {
      const session = s.sessions.byId.get(id);
      assert(session !== undefined, "a running task's session is missing from the store");
      s.sessions.addLease(session, slot);
      setRunTimer(s, slot);
    }
    yield;
    const found = new Float64Array(s.counts.length);
    for (let slot = 0; slot < s.table.used; slot++) {
      const state = s.table.state[slot]!;
      if (state !== FREE) found[state]!++;
      this.#index(slot, state);
      if (slot % SETTLE_SLOTS === SETTLE_SLOTS - 1) yield;
    }
    this.#checkCounts(found);
  }

  #loadOne(key: Uint8Array, value: Uint8Array): void {
    const s = this.#s;
    const kind = key[0];
    if (kind === META) this.#loadMeta(value);
    else if (kind === QUEUE) this.#loadQueue(value);
    else if (kind === LIVE) this.#loadLive(key, decodeLive(value));
    else {
      assert(kind === SESSION, "this record is not for a boot");
      s.sessions.add(decodeSession(value));
    }
  }

  #loadMeta(value: Uint8Array): void {
    const s = this.#s;
    const meta = decodeMeta(value);
    s.version = meta.version;
    s.applied = meta.applied;
    s.clock = meta.clock;
    s.nextOrder = meta.nextOrder;
    s.nextToken = meta.nextToken;
    s.tombstones = meta.tombstones;
    s.hash = new EffectHash(meta.hashHigh, meta.hashLow);
  }

  #loadQueue(value: Uint8Array): void {
    const s = this.#s;
    const { name, counts } = decodeQueue(value);
    const queue = s.lanes.queue(name);
    for (const [state, count] of counts.entries()) {
      queue.counts[state] = count;
      s.counts[state]! += count;
    }
  }

  #loadLive(key: Uint8Array, record: LiveRecord): void {
    const s = this.#s;
    const { table } = s;
    if (table.used === 0) this.#reserve();
    const lane = s.lanes.open(s.lanes.queue(record.queue), record.type);
    const slot = table.add(idOfTaskKey(key));
    s.lanes.enter(lane);
    table.lane[slot] = lane.number;
    table.flags[slot]! |= STORED | CONTENT_STORED;
    table.content[slot] = undefined;
    table.state[slot] = record.state;
    table.priority[slot] = record.priority;
    table.order[slot] = record.order;
    table.dueAt[slot] = record.dueAt;
    table.createdAt[slot] = record.createdAt;
    table.updatedAt[slot] = record.updatedAt;
    table.startedAt[slot] = record.startedAt;
    table.attempt[slot] = record.attempt;
    table.deliveries[slot] = record.deliveries;
    table.failures[slot] = record.failures;
    table.setPolicy(slot, record.policy);
    table.timeoutMs[slot] = record.timeoutMs;
    table.extendedTo[slot] = record.extendedTo;
    table.token[slot] = record.token;
    table.endedToken[slot] = record.endedToken;
    table.endedOutcome[slot] = record.endedOutcome;
    table.requestHigh[slot] = record.requestHigh;
    table.requestLow[slot] = record.requestLow;
    if (record.state === RUNNING) this.#runs.push({ slot, session: record.session });
  }

  /** A table that grows while it is filled is copied and hashed anew time and again. */
  #reserve(): void {
    const { table, counts } = this.#s;
    let tasks = 0;
    for (const state of LIVE_STATES) tasks += counts[state]!;
    table.reserve(Math.min(tasks, RESERVED_MAX));
  }

  #index(slot: number, state: number): void {
    const { table, lanes, timers } = this.#s;
    if (state === FREE || state === RUNNING) return;
    assert(table.heapAt[slot] === NONE, "a task is loaded twice");
    if (state === PENDING) {
      lanes.addReady(slot);
    } else {
      table.timerAt[slot] = table.dueAt[slot]!;
      timers.push(slot);
    }
  }

  /** Counters and tasks are written in one batch: if they disagree, the store lost something. */
  #checkCounts(found: Float64Array): void {
    const { counts } = this.#s;
    for (const state of LIVE_STATES) {
      assert(found[state] === counts[state], "the store's counters disagree with its tasks");
    }
  }
}
