/**
 * What members tell each other beside Raft's own words, with each heartbeat and its answer: their
 * clock, their state's hash, how much they are wanted to lead, and how much room their disks have.
 */
import type { Message, NodeId, Raft } from "task-queue-raft";
import type { QueueMachine } from "../queue/index.ts";
import type { Agreement } from "./agreement.ts";
import type { ClusterClock } from "./clock.ts";
import type { Handover } from "./handover.ts";
import type { Intake } from "./intake.ts";
import type { Beacon, Divergence, Note } from "./output.ts";

export class Beacons {
  readonly #raft: Raft;
  readonly #clock: ClusterClock;
  readonly #agreement: Agreement;
  readonly #handover: Pick<Handover<unknown>, "heard" | "wish">;
  readonly #intake: Intake;
  #notes: Note[] = [];

  constructor(
    raft: Raft,
    clock: ClusterClock,
    agreement: Agreement,
    handover: Pick<Handover<unknown>, "heard" | "wish">,
    intake: Intake,
  ) {
    this.#raft = raft;
    this.#clock = clock;
    this.#agreement = agreement;
    this.#handover = handover;
    this.#intake = intake;
  }

  takeNotes(): readonly Note[] {
    for (const { by, index } of this.#agreement.takeFound()) {
      const text = `the state of ${by} differs from this leader's after entry ${index}`;
      this.#warn(
        `${text}; the one that differs from most voters stops by itself: replace that one`,
      );
    }
    const notes = this.#notes;
    if (notes.length > 0) this.#notes = [];
    return notes;
  }

  own({ applied, effectHash }: QueueMachine, wallMs: number): Beacon {
    const { isLow: diskLow, closesForAll: intakeClosed } = this.#intake;
    const priority = this.#handover.wish;
    return { wallMs, applied, effectHash, priority, diskLow, intakeClosed };
  }

  /** After `message`, with which it came, was taken in. Present: this node must stop. */
  heard(from: NodeId, message: Message, beacon: Beacon, now: number): Divergence | undefined {
    this.#heardClock(from, beacon.wallMs);
    this.#handover.heard(from, beacon.priority);
    this.#intake.heard(from, message, beacon);
    const { type, term } = message;
    if (term !== this.#raft.term) return undefined;
    const { applied: index, effectHash } = beacon;
    const said = { by: from, term, index, effectHash, heardMs: now };
    if (type === "heartbeat" && from === this.#raft.leader) return this.#agreement.leaderSays(said);
    const isForLeader = type === "heartbeatReply" && this.#raft.role === "leader";
    return isForLeader ? this.#agreement.memberSays(said) : undefined;
  }

  #heardClock(from: NodeId, wallMs: number): void {
    this.#clock.heard(from, wallMs);
    for (const { who, ms } of this.#clock.newDisagreements()) {
      const off = `${Math.round(ms / 1000)} s off the median`;
      this.#warn(`the wall clock of ${who} is ${off}; check its time service`);
    }
  }

  #warn(text: string): void {
    this.#notes.push({ level: "warn", text });
  }
}
