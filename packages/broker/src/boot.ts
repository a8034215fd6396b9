/**
 * From what is on disk to a replica: the newest flushed state, and the log behind it. Entries above
 * the state's applied index are applied again once a leader says how far they are committed.
 */
import { type Entry, type EntryId, DEFAULTS as RAFT_DEFAULTS } from "task-queue-raft";
import type { Formation, Identity, KeyRange, LogStore, StateStore } from "./ports.ts";
import { QueueMachine } from "./queue/index.ts";
import { encodeMembers, Replica, type ReplicaSettings } from "./replica/index.ts";
import type { NodeReplica } from "./runtime.ts";

export interface BootOptions {
  readonly identity: Identity;
  readonly formation: Formation;
  readonly log: LogStore;
  readonly state: StateStore;
  readonly settings: ReplicaSettings;
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** Count entries as held once handed to the disk, instead of once fsynced. */
  readonly commitUnsynced: boolean;
}

/** Records read from the state store at a time. */
const BOOT_ROWS = 1000;
const BOOT_READ_BYTES = 8 * 1024 * 1024;
/** Forward ids of one start lie in a range of their own. */
const FORWARD_ID_RANGE = 2 ** 40;
const STARTS_KEPT_APART = 2 ** 12;

/** Reads state and log, and gives birth to the replica. Throws what the stores throw. */
export async function bootReplica(options: BootOptions): Promise<NodeReplica> {
  const { identity, formation, log, state } = options;
  const { mark } = state;
  const queue = await loadQueue(state);
  const founders = formation.members.map((member) => ({ ...member, voter: true }));
  return new Replica({
    raft: {
      ...RAFT_DEFAULTS,
      id: identity.nodeId,
      hardState: identity.hardState,
      log: await readTail(log, mark.logDurable),
      random: Math.random,
      electionTimeoutMs: options.electionTimeoutMs,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      commitBy: options.commitUnsynced ? "match" : "durable",
    },
    queue,
    applied: mark.logDurable,
    membership: mark.membership.length > 0 ? mark.membership : encodeMembers(founders),
    settings: options.settings,
    now: performance.now(),
    wallMs: Date.now(),
    firstForwardId: (identity.boots % STARTS_KEPT_APART) * FORWARD_ID_RANGE,
  });
}

async function loadQueue(state: StateStore): Promise<QueueMachine> {
  const queue = new QueueMachine(state);
  for (const range of QueueMachine.BOOT_RANGES) {
    for await (const rows of pages(state, range)) queue.load(rows);
  }
  queue.loaded();
  return queue;
}

async function* pages(state: StateStore, range: KeyRange) {
  let gte = range.gte;
  for (;;) {
    const rows = await state.scan({ gte, lt: range.lt }, BOOT_ROWS);
    if (rows.length > 0) yield rows;
    if (rows.length < BOOT_ROWS) return;
    gte = successor((rows.at(-1) as (typeof rows)[number])[0]);
  }
}

/** The smallest key above `key`. */
function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** All entries behind the applied one: they must be at hand, for they may turn out committed. */
async function readTail(
  log: LogStore,
  applied: EntryId,
): Promise<{ readonly prev: EntryId; readonly tail: readonly Entry[] }> {
  const tail: Entry[] = [];
  let next = applied.index + 1;
  while (next <= log.last.index) {
    const { entries } = await log.read(next, BOOT_READ_BYTES);
    for (const entry of entries) tail.push(entry);
    next += entries.length;
  }
  return { prev: { term: applied.term, index: applied.index }, tail };
}
