/**
 * Everything that nodes do passes here and is handed to the checkers, which stand outside: they see
 * messages, disks and outputs, and the machines only through their public face.
 */
import type { EntryId, Message, NodeId, PersistBatch, Raft, Ready } from "task-queue-raft";
import type {
  Batch,
  QueueEvent,
  QueueMachine,
  Reply,
} from "../../../packages/broker/src/queue/index.ts";
import {
  type Divergence,
  encodeRoster,
  type Forward,
  type Roster,
  type VersionRange,
} from "../../../packages/broker/src/replica/index.ts";
import type { SimulatedReplica } from "../boot.ts";
import { describeApplied } from "../describe.ts";
import type { Disk } from "../disk.ts";
import type { Random } from "../random.ts";
import type { Situations } from "../situations.ts";
import type { Trace } from "../trace.ts";
import { demand, Violation } from "../violation.ts";
import type { ClockChecker } from "./clock.ts";
import { ConfigChecker } from "./config.ts";
import { Ledger } from "./ledger.ts";
import { type Holder, LogChecker } from "./log.ts";
import { ModelChecker } from "./model.ts";
import { PromiseChecker } from "./promises.ts";
import { Sightings } from "./sightings.ts";
import { SpeechChecker } from "./speech.ts";
import { VersionChecker } from "./versions.ts";

interface Present extends Holder {
  /** What the binary knows that runs there. */
  readonly runs: VersionRange;
  /** Earlier incarnations of this node. */
  readonly formers: readonly Holder[];
}

type Holders = () => ReadonlyMap<NodeId, Present>;

/** Share of turns after which a machine recomputes everything it keeps counted. */
const DEEP_CHECK_RATE = 0.001;

export class Inspector {
  readonly speech: SpeechChecker;
  readonly log: LogChecker;
  readonly ledger = new Ledger();
  readonly model = new ModelChecker();
  readonly promises = new PromiseChecker(this.ledger);
  readonly clock: ClockChecker;
  readonly config: ConfigChecker;
  readonly versions: VersionChecker;
  readonly #sightings: Sightings;
  readonly #random: Random;
  readonly #trace: Trace;
  readonly #holders: Holders;
  /** Divergences that a test has planted are no violation. */
  expectsDivergence = false;
  readonly divergences: NodeId[] = [];
  /** The newest index that any node has applied. */
  #applied = 0;

  constructor(
    holders: Holders,
    founders: Roster,
    clock: ClockChecker,
    situations: Situations,
    random: Random,
    trace: Trace,
  ) {
    this.clock = clock;
    this.versions = new VersionChecker((id) => holders().get(id)!.runs.max, situations);
    this.config = new ConfigChecker(founders, situations, this.versions);
    const all = () => {
      return [...holders().values()].flatMap((node) => [node, ...node.formers]);
    };
    this.log = new LogChecker(all, this.config, situations);
    this.speech = new SpeechChecker((index) => this.log.committedTerm(index));
    this.#sightings = new Sightings(situations, this.ledger, this.log);
    this.#holders = holders;
    this.#random = random;
    this.#trace = trace;
  }

  get applied(): number {
    return this.#applied;
  }

  booting(id: NodeId, disk: Disk): void {
    this.log.booting(id, disk);
    this.#sightings.booting(id);
  }

  /** Its state is loaded, and nothing has been applied behind it. */
  booted(id: NodeId, { queue }: SimulatedReplica, membership: Uint8Array): void {
    this.versions.applied(id, membership);
    this.log.loaded(id, queue, queue.applied);
  }

  /** The entry at `index` has raised the version of this machine. */
  raised(id: NodeId, queue: QueueMachine, index: number): void {
    this.log.raised(id, queue, index);
    this.model.raised(queue.version);
  }

  /** All rows of a snapshot are there. */
  received(id: NodeId, snapshot: EntryId, queue: QueueMachine): void {
    demand(queue.applied <= snapshot.index, "apply atomicity", () => {
      return `${id} gets a snapshot of ${snapshot.index} with a state at ${queue.applied}`;
    });
    this.log.loaded(id, queue, queue.applied);
  }

  /** The replica goes on with it. */
  installed(id: NodeId, snapshot: EntryId, membership: Uint8Array): void {
    this.log.installed(id, snapshot, membership);
    this.versions.applied(id, membership);
    const roster = encodeRoster(this.config.at(snapshot.index));
    demand(roster.join() === membership.join(), "config safety", () => {
      return `the snapshot of ${snapshot.index} holds other members than were in force then`;
    });
  }

  diverged(id: NodeId, { index, own, leaders }: Divergence): void {
    demand(this.expectsDivergence, "no divergence", () => {
      return `${id} says it has ${own} at ${index}, and its leader ${leaders}`;
    });
    this.divergences.push(id);
  }

  /** Sees each Ready on its way from consensus to the replica. */
  tap(id: NodeId, raft: Raft): void {
    const take = raft.takeReady.bind(raft);
    raft.takeReady = (): Ready => {
      const ready = take();
      const { leadership } = ready;
      this.#sightings.ready(id, ready, raft);
      if (leadership !== undefined) this.speech.leadership(id, leadership);
      if (leadership?.role === "leader") {
        this.config.elected(this.#incarnation(id), leadership.term, raft.commit);
      }
      this.log.ready(id, ready, raft.commit, raft.term);
      return ready;
    };
  }

  sent(id: NodeId, message: Message, disk: Disk): void {
    this.#sightings.sent(message);
    this.versions.sent(id, message);
    this.speech.sent(id, message, disk, this.#incarnation(id));
  }

  #incarnation(id: NodeId): string {
    return this.#holders().get(id)!.incarnation;
  }

  /** On their way to the disk. */
  written(id: NodeId, batches: readonly PersistBatch[]): void {
    for (const batch of batches) this.versions.handed(id, batch);
  }

  forwarded(id: NodeId, forwards: readonly Forward[]): void {
    this.#sightings.forwarded(id, forwards);
  }

  /** `now`: of its own clock. */
  turned(id: NodeId, replica: SimulatedReplica, now: number): void {
    this.log.turned(id, replica);
    this.#sightings.turned(replica, now);
    if (this.#random.chance(DEEP_CHECK_RATE)) checkDeep(id, replica.queue);
  }

  entryApplied(
    id: NodeId,
    queue: QueueMachine,
    index: number,
    batch: Batch | undefined,
    replies: readonly Reply[],
    events: readonly QueueEvent[],
  ): void {
    this.log.applied(id, queue, index);
    if (index <= this.#applied) return;
    demand(index === this.#applied + 1, "state machine safety", () => {
      return `${id} applies ${index}, which nobody knows to follow ${this.#applied}`;
    });
    this.#applied = index;
    if (batch === undefined) return;
    this.#trace.note(id, () => describeApplied(index, batch, replies, events));
    this.clock.stamped(batch.at);
    this.#sightings.applying(index, batch, replies);
    const wanted = this.model.apply(batch);
    const tally = this.ledger.applied(index, batch, replies, events, (id) => this.model.look(id));
    this.#sightings.applied(index, events, tally);
    this.model.check(index, batch, replies, wanted);
  }
}

/** Every task in exactly one place, every counter equal to its recount. */
export function checkDeep(id: string, queue: QueueMachine): void {
  try {
    queue.checkInvariants();
  } catch (error) {
    throw new Violation("exactly one place", `${id}: ${String(error)}`);
  }
}
