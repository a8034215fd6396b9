/** Everything a `Raft` is born with. Times are milliseconds of the caller's monotonic clock. */
import { membershipProblem } from "./membership.ts";
import type { Entry, EntryId, HardState, LogIndex, Membership, NodeId } from "./types.ts";

export interface RaftOptions {
  readonly id: NodeId;
  readonly hardState: HardState;
  /** The membership in force at `log.prev`; later membership entries of the log override it. */
  readonly membership: Membership;
  readonly decodeMembership: (data: Uint8Array) => Membership;
  readonly log: RecoveredLog;
  /** Everything up to here is known to be committed and already applied by the caller. */
  readonly applied: LogIndex;
  /** Uniform in [0, 1). The only source of chance: election timeouts. */
  readonly random: () => number;
  /** The caller's monotonic clock at birth. */
  readonly now: number;
  /**
   * A follower campaigns after 1 to 2 times this without its leader; too low: needless elections.
   */
  readonly electionTimeoutMs: number;
  /** Must be well below the election timeout. */
  readonly heartbeatIntervalMs: number;
  /**
   * How long news of a commit waits for an entry to go with, before it is sent alone; 0: never. Too
   * high: followers apply late when little happens.
   */
  readonly commitDelayMs: number;
  /** An `append` carries at most this many bytes, or one entry. */
  readonly maxMessageBytes: number;
  /** `append` messages under way to one follower before the leader waits for an answer. */
  readonly maxInflight: number;
  /** Proposals are refused while uncommitted entries hold more than this. */
  readonly maxUncommittedBytes: number;
  /** Newest entries kept in memory for slow followers; older ones are asked for by `LogRead`. */
  readonly maxTailBytes: number;
  /** `durable`: count a member's entries once fsynced; `match`: once handed to its disk. */
  readonly commitBy: "durable" | "match";
}

/** The log as found on disk. `tail` is contiguous, starts at or below `applied + 1`. */
export interface RecoveredLog {
  /** Entries up to here have been compacted away on disk; 0 for a log that is complete. */
  readonly base: LogIndex;
  /** The entry right before `tail[0]`; `{term: 0, index: 0}` for a log that begins there. */
  readonly prev: EntryId;
  readonly tail: readonly Entry[];
}

export const DEFAULTS = {
  electionTimeoutMs: 1000,
  heartbeatIntervalMs: 100,
  commitDelayMs: 2,
  maxMessageBytes: 1024 * 1024,
  maxInflight: 64,
  maxUncommittedBytes: 64 * 1024 * 1024,
  maxTailBytes: 16 * 1024 * 1024,
  commitBy: "durable",
} as const;

/**
 * Refuses options that cannot work, and a disk whose parts do not fit together. Going on with
 * either could cost committed entries or leave the cluster without a leader.
 */
export function checkOptions(options: RaftOptions): void {
  if (options.id === "") refuse("id", "must not be empty");
  checkSettings(options);
  checkMembership(options.membership);
  checkLog(options);
}

function checkSettings(options: RaftOptions): void {
  const { electionTimeoutMs, heartbeatIntervalMs, now } = options;
  if (!Number.isFinite(now)) refuse("now", `must be a time in ms, not ${now}`);
  if (!(heartbeatIntervalMs > 0)) {
    refuse("heartbeatIntervalMs", `must be above 0, not ${heartbeatIntervalMs}`);
  }
  if (!(electionTimeoutMs >= 3 * heartbeatIntervalMs && electionTimeoutMs < 2 ** 31)) {
    const least = 3 * heartbeatIntervalMs;
    refuse(
      "electionTimeoutMs",
      `must be at least 3 heartbeat intervals (${least} ms), not ${electionTimeoutMs}`,
    );
  }
  atLeast("commitDelayMs", options.commitDelayMs, 0);
  atLeast("maxMessageBytes", options.maxMessageBytes, 1);
  atLeast("maxInflight", options.maxInflight, 1);
  atLeast("maxUncommittedBytes", options.maxUncommittedBytes, 0);
  atLeast("maxTailBytes", options.maxTailBytes, 0);
}

function checkMembership(membership: Membership): void {
  const problem = membershipProblem(membership);
  if (problem !== undefined) throw new Error(`raft options: ${problem}`);
}

function checkLog({ log, applied, hardState }: RaftOptions): void {
  atLeast("hardState.term", hardState.term, 0);
  atLeast("log.base", log.base, 0);
  atLeast("log.prev.index", log.prev.index, 0);
  atLeast("log.prev.term", log.prev.term, 0);
  atLeast("applied", applied, 0);
  if (log.base > log.prev.index) {
    refuse("log.base", `is ${log.base}, but log.tail begins behind entry ${log.prev.index}`);
  }
  let { index, term } = log.prev;
  for (const entry of log.tail) {
    if (entry.index !== index + 1) {
      refuse("log.tail", `has a hole: entry ${entry.index} follows entry ${index}`);
    }
    if (!(entry.term >= term)) {
      refuse("log.tail", `entry ${entry.index} has term ${entry.term}, the one before ${term}`);
    }
    index = entry.index;
    term = entry.term;
  }
  if (applied < log.prev.index) {
    refuse("applied", `is ${applied}, but entries up to ${log.prev.index} are not in log.tail`);
  }
  if (applied > index) {
    refuse("applied", `is ${applied}, but the log ends at ${index}: entries were lost from it`);
  }
  if (hardState.term < term) {
    refuse("hardState.term", `is ${hardState.term}, but the log has term ${term}: it was lost`);
  }
}

function atLeast(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  refuse(name, `must be a whole number from ${least}, not ${value}`);
}

function refuse(name: string, problem: string): never {
  throw new Error(`raft options: ${name} ${problem}`);
}
