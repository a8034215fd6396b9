/**
 * A leader whose disk hangs gives up its office soon: it must not keep the others from electing one
 * that can acknowledge something. Measured on the clock of the node and from what its process has
 * handed to the disk and not got back; not while it stood still itself, and not while the others
 * could do no better: they lack on disk what it owes, or are no quorum without it.
 */
import type { LogIndex, NodeId, Raft } from "task-queue-raft";
import { demand } from "../violation.ts";

/** From the first batch that is owed to the end of the office; and what a late timer adds. */
const OFFICE_MS_MAX = 5000;
const SLACK_MS = 600;

const NEVER = Number.POSITIVE_INFINITY;

export class DiskDebt {
  readonly #id: NodeId;
  #handedSeq = 0;
  #writtenSeq = 0;
  /** Since when the disk says nothing although it owes something. */
  #silentSince = NEVER;
  /** Its log ended here when the disk fell silent. */
  #owedIndex: LogIndex = 0;
  /** Since when others could do better. */
  #othersSince = NEVER;
  readonly #electionTimeoutMs: number;

  constructor(id: NodeId, electionTimeoutMs: number) {
    this.#id = id;
    this.#electionTimeoutMs = electionTimeoutMs;
  }

  handed(seq: number, lastIndex: LogIndex, now: number): void {
    if (this.#handedSeq <= this.#writtenSeq) {
      this.#silentSince = now;
      this.#owedIndex = lastIndex;
    }
    this.#handedSeq = seq;
  }

  written(seq: number, now: number): void {
    this.#writtenSeq = Math.max(this.#writtenSeq, seq);
    this.#silentSince = this.#handedSeq > this.#writtenSeq ? now : NEVER;
    this.#othersSince = NEVER;
  }

  /** The process stood still until now. */
  thawed(now: number): void {
    if (this.#silentSince !== NEVER) this.#silentSince = now;
  }

  /** After a turn. True: it leads, and its disk is silent for too long already to be only slow. */
  turned(raft: Raft, now: number): boolean {
    if (raft.role !== "leader" || !this.#canOthers(raft, now)) {
      this.#othersSince = NEVER;
      return false;
    }
    this.#othersSince = Math.min(this.#othersSince, now);
    const silentMs = now - Math.max(this.#silentSince, this.#othersSince);
    demand(silentMs <= OFFICE_MS_MAX + SLACK_MS, "no office with a hung disk", () => {
      return `${this.#id} leads, and its disk has not answered for ${Math.round(silentMs)} ms`;
    });
    return now - this.#silentSince > OFFICE_MS_MAX / 2;
  }

  #canOthers(raft: Raft, now: number): boolean {
    const { voters } = raft.membership;
    const able = raft.status().filter(({ id, durable, lastContactMs }) => {
      const isHeard = now - lastContactMs < this.#electionTimeoutMs;
      return id !== raft.id && voters.includes(id) && isHeard && durable >= this.#owedIndex;
    });
    return able.length > Math.floor(voters.length / 2);
  }
}
