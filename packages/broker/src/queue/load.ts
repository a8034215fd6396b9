/**
 * Boot: rebuilds the machine from the records of `BOOT_RANGES`, in any order and in as many
 * pieces as the caller likes. Heaps and lease lists are built at the end, when every session is
 * known. A damaged record throws: a machine that starts with less than was written would diverge
 * from its peers.
 */

import type { AccessKey } from "./access-key.ts";
import { accessKeyId } from "./access-keys.ts";
import { assert } from "./assert.ts";
import { decodeAccessKey } from "./codec/access-key-record.ts";
import { decodeBlock } from "./codec/history-records.ts";
import { decodeJob } from "./codec/job-record.ts";
import type { LiveRecord } from "./codec/live-record.ts";
import { decodeLive } from "./codec/live-record.ts";
import type { Culprit, ParentRecord } from "./codec/parent-record.ts";
import { decodeCulprit, decodeParents } from "./codec/parent-record.ts";
import { decodeQueue } from "./codec/queue-record.ts";
import type { GroupRecord } from "./codec/small-records.ts";
import { decodeGroup, decodeMeta, decodeSession } from "./codec/small-records.ts";
import { EffectHash } from "./effect-hash.ts";
import { watchExpiry } from "./expiry.ts";
import {
  ACCESS_KEY,
  BLOCK,
  CULPRIT,
  GROUP,
  idOfTaskKey,
  JOB,
  LIVE,
  META,
  numberOfBlockKey,
  PARENTS,
  QUEUE,
  SESSION,
} from "./keys.ts";
import { ID_AHEAD_MS_MAX } from "./limits.ts";
import { isTied, relink } from "./links.ts";
import { CONTENT_STORED, DEAD_LETTER, FREE, HAS_PROGRESS, NONE, STORED } from "./live-table.ts";
import type { QueueState } from "./state.ts";
import { BLOCKED, LIVE_STATES, PENDING, RUNNING } from "./state-number.ts";
import { setRunTimer } from "./transitions.ts";
import { uuidText } from "./uuid-text.ts";

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
  /** Of blocked tasks, by their keys. */
  readonly #parents: (readonly [Uint8Array, ParentRecord])[] = [];
  readonly #culprits: (readonly [Uint8Array, Culprit])[] = [];
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
      s.lanes.countRun(slot, 1);
      setRunTimer(s, slot);
    }
    yield;
    yield* this.#link();
    const found = new Float64Array(s.counts.length);
    for (let slot = 0; slot < s.table.used; slot++) {
      const state = s.table.state[slot]!;
      if (state !== FREE) found[state]!++;
      this.#index(slot, state);
      if (slot % SETTLE_SLOTS === SETTLE_SLOTS - 1) yield;
    }
    this.#checkCounts(found);
    this.#checkGroups();
  }

  #loadAccessKey(key: AccessKey): void {
    this.#s.accessKeys.set(accessKeyId(key.id), key);
  }

  #loadOne(key: Uint8Array, value: Uint8Array): void {
    const s = this.#s;
    const kind = key[0];
    if (kind === META) this.#loadMeta(value);
    else if (kind === QUEUE) this.#loadQueue(value);
    else if (kind === GROUP) this.#loadGroup(decodeGroup(value));
    else if (kind === LIVE) this.#loadLive(key, decodeLive(value));
    else if (kind === BLOCK) s.blocks.load(numberOfBlockKey(key), decodeBlock(value));
    else if (kind === JOB) s.jobs.set(uuidText(idOfTaskKey(key)), decodeJob(value));
    else if (kind === ACCESS_KEY) this.#loadAccessKey(decodeAccessKey(value));
    else if (kind === PARENTS) this.#parents.push([key, decodeParents(value)]);
    else if (kind === CULPRIT) this.#culprits.push([key, decodeCulprit(value)]);
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
    s.queueTurn = meta.queueTurn;
    s.plainHistoryTo = meta.plainHistoryTo;
    s.lanes.freshRevision = meta.freshRevision;
    s.hash = new EffectHash(meta.hashHigh, meta.hashLow);
    s.knownIds.begin(meta.clock + ID_AHEAD_MS_MAX);
  }

  #loadQueue(value: Uint8Array): void {
    const s = this.#s;
    const { name, counts, ...said } = decodeQueue(value);
    const queue = Object.assign(s.lanes.queue(name), said);
    for (let state = 0; state < counts.length; state++) {
      queue.counts[state] = counts[state]!;
      s.counts[state]! += counts[state]!;
    }
  }

  #loadGroup({ queue: name, group, turn, newcomer }: GroupRecord): void {
    const { lanes } = this.#s;
    const queue = lanes.queue(name);
    const found = group === "" ? queue.ungrouped : lanes.groups.open(queue, group);
    found.turn = turn;
    found.newcomer = newcomer;
    found.isStored = true;
  }

  #loadLive(key: Uint8Array, record: LiveRecord): void {
    const s = this.#s;
    const { table } = s;
    if (table.used === 0) this.#reserve();
    const lane = s.lanes.open(s.lanes.queue(record.queue), record);
    const slot = table.add(idOfTaskKey(key));
    s.lanes.enter(lane);
    table.lane[slot] = lane.number;
    if (record.group !== "") {
      s.lanes.groups.enter(slot, s.lanes.groups.open(lane.queue, record.group));
    }
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
    table.expiresAt[slot] = record.expiresAt;
    table.contentBytes[slot] = record.contentBytes;
    table.logLines[slot] = record.logLines;
    if (record.hasProgress) table.flags[slot]! |= HAS_PROGRESS;
    if (record.isDeadLetter) table.flags[slot]! |= DEAD_LETTER;
    table.waitsFor[slot] = record.waitsFor;
    table.fate[slot] = record.fate;
    if (record.state === RUNNING) this.#runs.push({ slot, session: record.session });
  }

  /** In the order of the submits: that of a parent's children. */
  *#link(): Generator<void, void> {
    const s = this.#s;
    const waiting = this.#parents.map(([key, record]) => ({ slot: this.#blocked(key), record }));
    waiting.sort((a, b) => s.table.order[a.slot]! - s.table.order[b.slot]!);
    for (const [at, { slot, record }] of waiting.entries()) {
      relink(s, slot, record);
      if (at % SETTLE_SLOTS === SETTLE_SLOTS - 1) yield;
    }
    for (const [key, culprit] of this.#culprits) s.doomed.set(this.#blocked(key), culprit);
  }

  #blocked(key: Uint8Array): number {
    const { table } = this.#s;
    const slot = table.find(idOfTaskKey(key));
    assert(slot !== NONE && table.state[slot] === BLOCKED, "parents of a task that is not blocked");
    return slot;
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
    if (state === BLOCKED) assert(isTied(this.#s, slot), "a blocked task's parents are missing");
    if (state === PENDING) {
      lanes.addReady(slot);
    } else if (state !== BLOCKED || table.fate[slot]! > 0) {
      table.timerAt[slot] = table.dueAt[slot]!;
      timers.push(slot);
    }
    watchExpiry(this.#s, slot);
  }

  /** So are groups and their tasks. */
  #checkGroups(): void {
    for (const queue of this.#s.lanes.queues.values()) {
      for (const group of queue.groups.values()) {
        assert(group.isStored && group.live > 0, "the store's groups disagree with its tasks");
      }
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
