/**
 * Applies committed entries to the queue machine, in order and once, and tells those who stand on
 * it: a bounded amount at a time. It holds back while a flush is overdue: see `Flusher`.
 */
import type { Entry, LogIndex, Raft } from "task-queue-raft";
import {
  type Command,
  decodeBatch,
  type QueueMachine,
  type Reply,
  type TaskId,
} from "../queue/index.ts";
import { APPLY_WORK_MAX, WORK_PER_RESULT } from "./limits.ts";
import type { Machinery } from "./machinery.ts";
import { decodeRoster } from "./members.ts";
import type { ReplicaOptions } from "./options.ts";
import { clusterVersionOf } from "./versions.ts";

/** Who else has to know. */
export interface ApplyListener {
  /** Before the events of the entry are looked at. */
  applied(entry: Entry, replies: readonly Reply[]): void;
  finished(id: TaskId): void;
}

const NO_REPLIES: readonly Reply[] = [];

export class Applier {
  readonly #raft: Raft;
  readonly #workMax: number;
  readonly #listener: ApplyListener;
  #committed: Entry[] = [];
  /** The last run has left some, because they were too many for it. */
  #isBehind = false;

  constructor(
    raft: Raft,
    { applyWork = APPLY_WORK_MAX }: Pick<ReplicaOptions, "applyWork">,
    listener: ApplyListener,
  ) {
    this.#raft = raft;
    this.#workMax = applyWork;
    this.#listener = listener;
  }

  committed(entries: readonly Entry[]): void {
    for (const entry of entries) this.#committed.push(entry);
  }

  /** A snapshot includes the entries up to `index`. */
  skip(index: LogIndex): void {
    this.#committed = this.#committed.filter((entry) => entry.index > index);
  }

  /** When the rest of what it left is due. */
  nextDeadline(now: number): number {
    return this.#isBehind ? now : Number.POSITIVE_INFINITY;
  }

  run(machinery: Machinery, now: number): void {
    let count = 0;
    let work = 0;
    this.#isBehind = false;
    for (const entry of this.#committed) {
      if (work >= this.#workMax) {
        this.#isBehind = true;
        break;
      }
      if (!machinery.flusher.mayApply(entry.index, this.#raft.durableIndex, now)) break;
      work += this.#apply(machinery, entry, now);
      count++;
    }
    if (count > 0) this.#committed.splice(0, count);
  }

  /** Returns how much work it was, as `APPLY_WORK_MAX` has it. */
  #apply(machinery: Machinery, entry: Entry, now: number): number {
    const { queue, sessions, office, flusher } = machinery;
    const leads = this.#raft.role === "leader";
    const dirtyBefore = queue.dirtyCount;
    let replies = NO_REPLIES;
    if (entry.kind === "normal") {
      const batch = decodeBatch(entry.data);
      replies = queue.apply(entry.index, batch);
      if (leads && entry.term === this.#raft.term) learnFrom(machinery, batch.commands, replies);
    } else {
      queue.skip(entry.index);
    }
    const membership = entry.kind === "membership" ? entry.data : undefined;
    if (membership !== undefined) raise(queue, clusterVersionOf(decodeRoster(membership)));
    flusher.applied(entry, membership, now);
    // Before the next lease is thought of: a slot must not count as held no more and ending, too.
    this.#listener.applied(entry, replies);
    office.applied(entry.index);
    for (const event of queue.events) {
      if (event.type === "finished") this.#listener.finished(event.id);
      else if (leads) sessions.handle(event);
    }
    const results = replies.length + queue.events.length + queue.dirtyCount - dirtyBefore;
    queue.events.length = 0;
    return entry.data.length + results * WORK_PER_RESULT;
  }
}

/**
 * By its own entry, so that all replicas carry out the same commands in the new way. A node that
 * has just joined may know a newer roster than that of the entry that it applies.
 */
function raise(queue: QueueMachine, version: number): void {
  if (version !== queue.version) queue.raise(version);
}

/** What the leader must notice of its own commands before the events speak. */
function learnFrom(
  { dispatcher, sessions, office }: Machinery,
  commands: readonly Command[],
  replies: readonly Reply[],
): void {
  commands.forEach((command, ordinal) => {
    const reply = replies[ordinal];
    if (command.type === "lease") {
      // A refused one says nothing about what is ready.
      const tookAll = reply?.code === "leased" && reply.granted < command.count;
      dispatcher.leaseApplied(command.session, tookAll);
    } else if (command.type === "renew") {
      for (const session of command.sessions) sessions.renewed(session);
    } else if (command.type === "takeOffice") {
      office.settled();
    }
  });
}
