/**
 * What the disk of this node owes: batches of the log, and a flush of the state. A disk that hangs
 * reports no error and needs no answer to heartbeats, so a leader with one would stay in office for
 * ever and acknowledge nothing (hashicorp/raft #503). Here it is noticed: this node is *stalled*
 * then, hands its office over, or resigns where that comes to nothing, and takes none before the
 * disk answers. What it has appended stays in its log and may be committed by others (etcd #14370).
 *
 * A leader leaves only for others who can do better: voters that are heard, have on disk what this
 * one still owes, and are a quorum without it. Where all disks are as slow, or the others need this
 * one for a quorum, an election would wait for the same disks, and cost the office as well. So the
 * only voter always stays, and its writes wait.
 */
import { type LogIndex, quorumSize, type Raft } from "task-queue-raft";
import type { Handover } from "./handover.ts";
import { DISK_LATE_MS, DISK_RESIGN_MS, DISK_STALL_MS, FLUSH_STALL_MS } from "./limits.ts";
import type { Note } from "./output.ts";

const NEVER = Number.POSITIVE_INFINITY;

type WatchedRaft = Pick<Raft, "id" | "role" | "membership" | "lastIndex" | "status" | "resign">;

export class DiskWatch {
  readonly #raft: WatchedRaft;
  readonly #handover: Pick<Handover<unknown>, "stalled" | "hasSuccessor">;
  readonly #electionTimeoutMs: number;
  readonly #stallMs: number;
  /** The newest persist batch handed out, and the newest that the disk has confirmed. */
  #handedSeq = 0;
  #writtenSeq = 0;
  /** The log ended here when the clock of what is owed began to run. */
  #owedIndex: LogIndex = 0;
  /** Since when nothing has come back although something is owed; `NEVER`: nothing is. */
  #logSince = NEVER;
  #flushSince = NEVER;
  /** A late look at the clock calls no disk stalled before this. */
  #graceUntil = Number.NEGATIVE_INFINITY;
  #graceGiven = false;
  /** Set while the disk is called stalled: since when it owes. */
  #stalledSince: number | undefined;
  /** While this node wants no office for it: when a leader resigns. */
  #resignAt = NEVER;
  /** When a stalled leader that nobody could replace looks again. */
  #lookAt = NEVER;
  #notes: Note[] = [];

  constructor(
    raft: WatchedRaft,
    handover: Pick<Handover<unknown>, "stalled" | "hasSuccessor">,
    electionTimeoutMs: number,
  ) {
    this.#raft = raft;
    this.#handover = handover;
    this.#electionTimeoutMs = electionTimeoutMs;
    this.#stallMs = Math.max(DISK_STALL_MS, 2 * electionTimeoutMs);
  }

  /** A batch of the log is on its way. */
  get owesLog(): boolean {
    return this.#handedSeq > this.#writtenSeq;
  }

  takeNotes(): readonly Note[] {
    const notes = this.#notes;
    if (notes.length > 0) this.#notes = [];
    return notes;
  }

  handed(seq: number, now: number): void {
    if (!this.owesLog) this.#owe(now);
    this.#handedSeq = seq;
  }

  /** With more on its way a disk that answers is slow, and does not hang: the clock starts anew. */
  written(seq: number, now: number): void {
    // A later fsync vouches for what was written before it began; more has been written since.
    if (seq <= this.#writtenSeq) return;
    this.#writtenSeq = seq;
    if (this.owesLog) this.#owe(now);
    else this.#logSince = NEVER;
  }

  /** The flush under way has ended, or nobody waits for it any more. */
  flushed(): void {
    this.#flushSince = NEVER;
  }

  /** To be called in every turn. */
  run(isFlushing: boolean, now: number): void {
    this.#flushSince = isFlushing ? Math.min(this.#flushSince, now) : NEVER;
    const overdueMs = now - this.#dueAt;
    if (overdueMs < 0) {
      this.#graceGiven = false;
      if (this.#stalledSince !== undefined) this.#recovered(this.#stalledSince, now);
    } else if (this.#stalledSince === undefined) {
      if (this.#isLate(overdueMs, now)) return;
      this.#stalled(now);
    }
    this.#leaveOffice(now);
  }

  nextDeadline(): number {
    if (this.#stalledSince === undefined) return Math.max(this.#dueAt, this.#graceUntil);
    return this.#raft.role === "leader" ? Math.min(this.#resignAt, this.#lookAt) : NEVER;
  }

  #owe(now: number): void {
    this.#logSince = now;
    this.#owedIndex = this.#raft.lastIndex;
  }

  /** When the disk has owed for too long. */
  get #dueAt(): number {
    const flushMs = Math.max(FLUSH_STALL_MS, this.#stallMs);
    return Math.min(this.#logSince + this.#stallMs, this.#flushSince + flushMs);
  }

  /** This process may have slept, and the disk's answer lies unread beside our own timer. */
  #isLate(overdueMs: number, now: number): boolean {
    if (!this.#graceGiven && overdueMs > DISK_LATE_MS) {
      this.#graceGiven = true;
      this.#graceUntil = now + DISK_LATE_MS;
    }
    return now < this.#graceUntil;
  }

  #stalled(now: number): void {
    const since = Math.min(this.#logSince, this.#flushSince);
    this.#stalledSince = since;
    const silence = `the disk has not answered for ${seconds(now - since)}`;
    const consequence = this.#isAlone
      ? "writes wait for it"
      : "if this node leads and others can do better, it hands over, and takes no office meanwhile";
    this.#warn(`${silence}: ${consequence}; see to the disk`);
  }

  #recovered(since: number, now: number): void {
    this.#stalledSince = undefined;
    this.#warn(`the disk answers again, after ${seconds(now - since)}`);
  }

  /** Sees to it that this node wants no office while others can do better than its disk. */
  #leaveOffice(now: number): void {
    const leads = this.#raft.role === "leader";
    const isStalled = this.#stalledSince !== undefined && !this.#isAlone;
    const wasUnfit = this.#resignAt !== NEVER;
    const isUnfit = isStalled && (wasUnfit || !leads || this.#canOthers(now));
    this.#lookAt = isStalled && leads && !isUnfit ? now + DISK_LATE_MS : NEVER;
    if (isUnfit !== wasUnfit) {
      this.#handover.stalled(isUnfit);
      this.#resignAt = isUnfit ? now + DISK_RESIGN_MS : NEVER;
    }
    if (now < this.#resignAt || !leads) return;
    this.#resignAt = now + DISK_RESIGN_MS;
    // With only the flush owed it still acknowledges writes: better than nobody.
    const acknowledgesNothing = now - this.#logSince >= this.#stallMs;
    const isWanted = acknowledgesNothing || this.#handover.hasSuccessor(now);
    if (isWanted && this.#canOthers(now)) this.#raft.resign();
  }

  #canOthers(now: number): boolean {
    const { id: self, membership } = this.#raft;
    const able = this.#raft.status().filter(({ id, durable, lastContactMs }) => {
      if (id === self || !membership.voters.includes(id)) return false;
      return durable >= this.#owedIndex && now - lastContactMs < this.#electionTimeoutMs;
    });
    return able.length >= quorumSize(membership.voters.length);
  }

  get #isAlone(): boolean {
    return this.#raft.membership.voters.length <= 1;
  }

  #warn(text: string): void {
    this.#notes.push({ level: "warn", text });
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
