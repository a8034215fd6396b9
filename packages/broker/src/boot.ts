/**
 * From what is on disk to a replica: the newest flushed state, and the log behind it. Entries above
 * the state's applied index are applied again once a leader says how far they are committed.
 */
import { type Entry, type EntryId, DEFAULTS as RAFT_DEFAULTS } from "task-queue-raft";
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";
import { loadQueue } from "./load-queue.ts";
import type { Formation, Identity, LogStore, Member, StateStore } from "./ports.ts";
import { encodeRoster, Replica, type ReplicaSettings, SUPPORTED } from "./replica/index.ts";
import type { NodeReplica } from "./runtime.ts";

export interface BootOptions {
  readonly identity: Identity;
  /** The members while the state knows none yet. */
  readonly formation: Formation;
  /** This node as it is configured now. */
  readonly self: Member;
  readonly log: LogStore;
  readonly state: StateStore;
  readonly settings: ReplicaSettings;
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** Count entries as held once handed to the disk, instead of once fsynced. */
  readonly commitUnsynced: boolean;
  /** By default the system's. */
  readonly clock?: Pick<Clock, "now" | "wallMs">;
}

const BOOT_READ_BYTES = 8 * 1024 * 1024;
/** Forward ids of one start lie in a range of their own. */
const FORWARD_ID_RANGE = 2 ** 40;
const STARTS_KEPT_APART = 2 ** 12;

/** Reads state and log, and gives birth to the replica. Throws what the stores throw. */
export async function bootReplica(options: BootOptions): Promise<NodeReplica> {
  const { identity, formation, self, log, state, clock = SYSTEM_CLOCK } = options;
  const { mark } = state;
  const queue = await loadQueue(state);
  return new Replica({
    raft: {
      ...RAFT_DEFAULTS,
      id: identity.nodeId,
      hardState: identity.hardState,
      log: await recoverLog(log, mark.logDurable),
      random: Math.random,
      electionTimeoutMs: options.electionTimeoutMs,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      commitBy: options.commitUnsynced ? "match" : "durable",
    },
    queue,
    applied: mark.logDurable,
    membership: mark.membership.length > 0 ? mark.membership : encodeRoster(formation),
    settings: options.settings,
    supports: SUPPORTED,
    self,
    joinedAt: formation.revision,
    logBytes: log.bytes,
    now: clock.now(),
    wallMs: clock.wallMs(),
    firstForwardId: (identity.boots % STARTS_KEPT_APART) * FORWARD_ID_RANGE,
  });
}

/** All entries behind the applied one: they must be at hand, for they may turn out committed. */
async function recoverLog(log: LogStore, applied: EntryId) {
  const tail: Entry[] = [];
  let next = applied.index + 1;
  while (next <= log.last.index) {
    const { entries } = await log.read(next, BOOT_READ_BYTES);
    if (entries.length === 0) throw new Error(`the log begins behind entry ${next}`);
    for (const entry of entries) tail.push(entry);
    next += entries.length;
  }
  const { term, index } = applied;
  return { base: log.base.index, prev: { term, index }, tail };
}
