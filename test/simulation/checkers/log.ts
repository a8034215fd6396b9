/**
 * Commit stability, leader completeness and state machine safety: what was committed once stays,
 * every later leader has it, every node applies the same bytes at the same index, and all come
 * to the same effect hash. A commit counts as such when a majority of the disks holds the entry;
 * nothing is believed.
 */
import type { Entry, LogIndex, NodeId, PersistBatch, Ready, Term } from "task-queue-raft";
import type { QueueMachine } from "../../../packages/broker/src/queue/index.ts";
import type { SimulatedReplica } from "../boot.ts";
import type { Disk } from "../disk.ts";
import type { Situations } from "../situations.ts";
import { demand } from "../violation.ts";

/** What must never go back on one node; `applied` may, in a restart, to the last flush. */
interface Progress {
  /** Terms of the log as handed to the disk, by index - 1. */
  log: Term[];
  term: Term;
  commit: LogIndex;
  applied: LogIndex;
  clock: number;
}

export class LogChecker {
  readonly #committed: Entry[] = [];
  readonly #hashes = new Map<LogIndex, string>();
  readonly #progress = new Map<NodeId, Progress>();
  readonly #disks: ReadonlyMap<NodeId, Disk>;
  readonly #situations: Situations;

  constructor(disks: ReadonlyMap<NodeId, Disk>, situations: Situations) {
    this.#disks = disks;
    this.#situations = situations;
  }

  /** Last index known to be committed. */
  get commit(): LogIndex {
    return this.#committed.length;
  }

  /** Term of a committed entry. */
  committedTerm(index: LogIndex): Term | undefined {
    return this.#committed[index - 1]?.term;
  }

  /** Length of the log of `id` as handed to its disk. */
  logLength(id: NodeId): number {
    return this.#progress.get(id)?.log.length ?? 0;
  }

  booting(id: NodeId, disk: Disk): void {
    const before = this.#progress.get(id);
    const { applied, logDurable } = disk.mark;
    demand(disk.termAt(applied) === logDurable.term, "flush behind log", () => {
      return `${id} has state at ${applied} and a log that ends at ${disk.last.index}`;
    });
    demand(applied <= this.commit, "commit stability", () => {
      return `${id} starts with state at ${applied}, committed is ${this.commit}`;
    });
    this.#progress.set(id, {
      log: disk.log.map(({ term }) => term),
      term: Math.max(disk.hardState.term, 0),
      commit: applied,
      applied,
      clock: 0,
    });
    if (before !== undefined && before.log.length > disk.log.length) {
      this.#situations.hit("restart with a shorter log");
    }
  }

  ready(id: NodeId, ready: Ready): void {
    const { log } = this.#progress.get(id)!;
    if (ready.persist !== undefined) this.#handed(id, log, ready.persist);
    for (const entry of ready.committed) this.#checkCommitted(id, entry);
    if (ready.leadership?.role === "leader") this.#checkComplete(id, log, ready.leadership.term);
  }

  turned(id: NodeId, replica: SimulatedReplica): void {
    const progress = this.#progress.get(id)!;
    const { raft, queue } = replica;
    const { term, commit } = raft;
    demand(term >= progress.term, "monotone term", () => {
      return `the term of ${id} goes from ${progress.term} to ${term}`;
    });
    demand(commit >= progress.commit && commit <= this.commit, "commit stability", () => {
      return `the commit of ${id} goes from ${progress.commit} to ${commit} of ${this.commit}`;
    });
    demand(queue.applied <= commit, "state machine safety", () => {
      return `${id} has applied ${queue.applied}, committed is ${commit}`;
    });
    if (queue.applied > raft.durableIndex) this.#situations.hit("applied ahead of the own disk");
    if (queue.applied < commit) this.#situations.hit("apply held back for an overdue flush");
    progress.term = term;
    progress.commit = commit;
  }

  applied(id: NodeId, queue: QueueMachine, index: LogIndex): void {
    const progress = this.#progress.get(id)!;
    demand(index === progress.applied + 1, "state machine safety", () => {
      return `${id} applies ${index} after ${progress.applied}`;
    });
    demand(queue.clock >= progress.clock, "monotone clock", () => {
      return `the clock of ${id} goes back from ${progress.clock} to ${queue.clock}`;
    });
    progress.applied = index;
    progress.clock = queue.clock;
    const hash = queue.effectHash;
    const wanted = this.#hashes.get(index) ?? hash;
    demand(hash === wanted, "state machine safety", () => {
      return `after ${index} the effect hash of ${id} is ${hash}, elsewhere it was ${wanted}`;
    });
    this.#hashes.set(index, hash);
  }

  /** The effect hash that every node has at `index`. */
  hashAt(index: LogIndex): string | undefined {
    return this.#hashes.get(index);
  }

  #handed(id: NodeId, log: Term[], { truncateFrom, entries }: PersistBatch): void {
    if (truncateFrom !== undefined) {
      for (let index = truncateFrom; index <= this.commit && index <= log.length; index++) {
        demand(log[index - 1] !== this.#committed[index - 1]!.term, "commit stability", () => {
          return `${id} cuts its log at ${truncateFrom}, and entry ${index} was committed`;
        });
      }
      log.length = Math.min(log.length, truncateFrom - 1);
    }
    for (const entry of entries) {
      demand(entry.index === log.length + 1, "contiguous log", () => {
        return `${id} writes entry ${entry.index} behind ${log.length}`;
      });
      log.push(entry.term);
    }
  }

  #checkCommitted(id: NodeId, entry: Entry): void {
    const { index } = entry;
    const known = this.#committed[index - 1];
    if (known !== undefined) {
      demand(sameEntry(known, entry), "state machine safety", () => {
        return `at ${index} ${id} commits an entry of term ${entry.term}, not ${known.term}`;
      });
      return;
    }
    demand(index === this.commit + 1, "commit stability", () => {
      return `${id} commits ${index}, committed is ${this.commit}`;
    });
    let holders = 0;
    for (const disk of this.#disks.values()) if (disk.termAt(index) === entry.term) holders++;
    demand(holders * 2 > this.#disks.size, "commit stability", () => {
      return `${id} commits entry ${entry.term}/${index}, which ${holders} disks hold`;
    });
    this.#committed.push(entry);
  }

  #checkComplete(id: NodeId, log: readonly Term[], term: Term): void {
    for (let index = this.commit; index > 0; index--) {
      demand(log[index - 1] === this.#committed[index - 1]!.term, "leader completeness", () => {
        return `${id}, leader of term ${term}, does not have the committed entry ${index}`;
      });
    }
  }
}

function sameEntry(one: Entry, other: Entry): boolean {
  if (one === other) return true;
  if (one.term !== other.term || one.kind !== other.kind) return false;
  return one.data === other.data || sameBytes(one.data, other.data);
}

export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
