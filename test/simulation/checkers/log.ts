/**
 * Commit stability, leader completeness and state machine safety: what was committed once stays,
 * every later leader has it, every node applies the same bytes at the same index, and all come to
 * the same effect hash. A commit counts as such when a majority of the voters' disks holds the
 * entry; nothing is believed. The committed log is kept here: nodes forget the beginning of theirs.
 */
import type { Entry, EntryId, LogIndex, NodeId, PersistBatch, Ready, Term } from "task-queue-raft";
import type { QueueMachine } from "../../../packages/broker/src/queue/index.ts";
import type { SimulatedReplica } from "../boot.ts";
import type { Disk } from "../disk.ts";
import type { Situations } from "../situations.ts";
import { demand } from "../violation.ts";
import { type ConfigChecker, votersOf } from "./config.ts";
import { TermLog } from "./term-log.ts";

/** What must never go back on one node; `applied` may, in a restart, to the last flush. */
interface Progress {
  /** The log as handed to the disk. */
  log: TermLog;
  term: Term;
  commit: LogIndex;
  applied: LogIndex;
  clock: number;
  leadsIn: Term | undefined;
}

/** What the checker needs of a node, from outside. */
export interface Holder {
  readonly incarnation: string;
  readonly disk: Pick<Disk, "holds">;
}

export class LogChecker {
  readonly config: ConfigChecker;
  readonly #committed: Entry[] = [];
  /** The term in which each of them was committed; its own, or a later one. */
  readonly #committedIn: Term[] = [];
  /** In the end, and on the way to it. */
  readonly #hashes = new Map<LogIndex, string>([[0, ""]]);
  readonly #appliedHashes = new Map<LogIndex, string>();
  readonly #raisedHashes = new Map<LogIndex, string>();
  readonly #progress = new Map<NodeId, Progress>();
  readonly #holders: () => readonly Holder[];
  readonly #situations: Situations;

  constructor(holders: () => readonly Holder[], config: ConfigChecker, situations: Situations) {
    this.config = config;
    this.#holders = holders;
    this.#situations = situations;
  }

  /** Last index known to be committed. */
  get commit(): LogIndex {
    return this.#committed.length;
  }

  /** Term of a committed entry. */
  committedTerm(index: LogIndex): Term | undefined {
    return index === 0 ? 0 : this.#committed[index - 1]?.term;
  }

  /** Last index of the log of `id` as handed to its disk. */
  lastIndex(id: NodeId): number {
    return this.#progress.get(id)?.log.last ?? 0;
  }

  /** The disk has done what a start does before it looks. */
  booting(id: NodeId, { mark, log, hardState }: Disk): void {
    const before = this.#progress.get(id);
    const { applied, logDurable } = mark;
    demand(applied >= log.base.index, "log and snapshot cover", () => {
      return `the log of ${id} begins behind ${log.base.index}, its state is that of ${applied}`;
    });
    demand(log.termAt(applied) === logDurable.term, "flush behind log", () => {
      return `${id} has state at ${applied} and a log that ends at ${log.last.index}`;
    });
    demand(applied <= this.commit, "commit stability", () => {
      return `${id} starts with state at ${applied}, committed is ${this.commit}`;
    });
    const tail = log.tail(log.base.index + 1);
    this.#progress.set(id, {
      log: new TermLog(
        log.base,
        tail.map(({ term }) => term),
      ),
      term: Math.max(hardState.term, 0),
      commit: applied,
      applied,
      clock: 0,
      leadsIn: undefined,
    });
    this.config.booting(id, mark.membership, applied, log.tail(applied + 1));
    if (before !== undefined && before.log.last > log.last.index) {
      this.#situations.hit("restart with a shorter log");
    }
  }

  /** A state that was loaded, from the own disk or from another node. */
  loaded(id: NodeId, queue: QueueMachine, index: LogIndex): void {
    const wanted = this.#hashes.get(index);
    const isKnown = wanted !== undefined && (index === 0 || queue.effectHash === wanted);
    demand(isKnown, "apply atomicity", () => {
      return `${id} loads a state at ${index} of hash ${queue.effectHash}, it was ${wanted}`;
    });
  }

  /** The replica goes on with a snapshot. */
  installed(id: NodeId, snapshot: EntryId, membership: Uint8Array): void {
    const progress = this.#progress.get(id)!;
    demand(this.committedTerm(snapshot.index) === snapshot.term, "commit stability", () => {
      return `${id} installs ${snapshot.term}/${snapshot.index}, which is not committed`;
    });
    progress.applied = snapshot.index;
    progress.clock = 0;
    this.config.installed(id, snapshot.index, membership);
  }

  ready(id: NodeId, ready: Ready, commit: LogIndex, term: Term): void {
    const progress = this.#progress.get(id)!;
    const { leadership, persist } = ready;
    if (leadership !== undefined) {
      progress.leadsIn = leadership.role === "leader" ? leadership.term : undefined;
    }
    if (persist !== undefined) {
      this.#handed(id, progress.log, persist);
      this.config.handed(id, persist, commit, progress.log.termAt(commit), progress.leadsIn);
    }
    for (const entry of ready.committed) this.#checkCommitted(id, entry, term);
    if (leadership?.role === "leader") this.#checkComplete(id, progress.log, leadership.term);
  }

  turned(id: NodeId, { raft, queue }: SimulatedReplica): void {
    const progress = this.#progress.get(id)!;
    const { term, commit } = raft;
    demand(term >= progress.term, "monotone term", () => {
      return `the term of ${id} goes from ${progress.term} to ${term}`;
    });
    demand(commit >= progress.commit, "commit stability", () => {
      return `the commit of ${id} goes from ${progress.commit} to ${commit}`;
    });
    demand(queue.applied <= Math.min(commit, this.commit), "state machine safety", () => {
      return `${id} has applied ${queue.applied}, committed is ${commit} of ${this.commit}`;
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
    const wanted = this.#appliedHashes.get(index) ?? queue.effectHash;
    this.#appliedHashes.set(index, wanted);
    this.#sameHash(id, queue, index, wanted);
    if (!this.#hashes.has(index)) this.#hashes.set(index, wanted);
  }

  /** The members' entry that was applied last has raised the version, and the hash says so. */
  raised(id: NodeId, queue: QueueMachine, index: LogIndex): void {
    const wanted = this.#raisedHashes.get(index) ?? queue.effectHash;
    this.#raisedHashes.set(index, wanted);
    this.#sameHash(id, queue, index, wanted);
    this.#hashes.set(index, wanted);
  }

  #sameHash(id: NodeId, { effectHash }: QueueMachine, index: LogIndex, wanted: string): void {
    demand(effectHash === wanted, "state machine safety", () => {
      return `after ${index} the effect hash of ${id} is ${effectHash}, elsewhere it was ${wanted}`;
    });
  }

  /** The effect hash that every node has at `index`. */
  hashAt(index: LogIndex): string | undefined {
    return this.#hashes.get(index);
  }

  #handed(id: NodeId, log: TermLog, { truncateFrom, entries, restore }: PersistBatch): void {
    if (restore !== undefined) log.reset(restore);
    if (truncateFrom !== undefined) {
      for (let index = truncateFrom; index <= this.commit && index <= log.last; index++) {
        demand(log.termAt(index) !== this.committedTerm(index), "commit stability", () => {
          return `${id} cuts its log at ${truncateFrom}, and entry ${index} was committed`;
        });
      }
      log.cut(truncateFrom);
    }
    for (const entry of entries) {
      demand(entry.index === log.last + 1, "contiguous log", () => {
        return `${id} writes entry ${entry.index} behind ${log.last}`;
      });
      log.push(entry.term);
    }
  }

  #checkCommitted(id: NodeId, entry: Entry, inTerm: Term): void {
    const { index, term } = entry;
    const known = this.#committed[index - 1];
    if (known !== undefined) {
      demand(sameEntry(known, entry), "state machine safety", () => {
        return `at ${index} ${id} commits an entry of term ${term}, not ${known.term}`;
      });
      return;
    }
    demand(index === this.commit + 1, "commit stability", () => {
      return `${id} commits ${index}, committed is ${this.commit}`;
    });
    const holders = this.#holders().filter(({ disk }) => disk.holds(index, term));
    const incarnations = new Set(holders.map(({ incarnation }) => incarnation));
    const isDecided = this.config.inForce(id).some((roster) => {
      const voters = [...votersOf(roster)];
      return voters.filter((voter) => incarnations.has(voter)).length * 2 > voters.length;
    });
    demand(isDecided, "commit stability", () => {
      return `${id} commits entry ${term}/${index}, which ${[...incarnations].join(" ")} hold`;
    });
    this.#committed.push(entry);
    this.#committedIn.push(inTerm);
    this.config.committed(entry);
  }

  /** Only what was committed before its term (§3.6.3): an office may be over when it is won. */
  #checkComplete(id: NodeId, log: TermLog, term: Term): void {
    for (let index = this.commit; index >= log.base; index--) {
      if ((this.#committedIn[index - 1] ?? 0) >= term) continue;
      demand(log.termAt(index) === this.committedTerm(index), "leader completeness", () => {
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
  return Buffer.compare(one, other) === 0;
}
