/**
 * Everything that nodes do passes here and is handed to the checkers, which stand outside: they see
 * messages, disks and outputs, and the machines only through their public face.
 */
import type { Message, NodeId, Raft, Ready } from "task-queue-raft";
import type {
  Batch,
  QueueEvent,
  QueueMachine,
  Reply,
} from "../../../packages/broker/src/queue/index.ts";
import type { Forward } from "../../../packages/broker/src/replica/index.ts";
import type { SimulatedReplica } from "../boot.ts";
import { describeApplied } from "../describe.ts";
import type { Disk } from "../disk.ts";
import type { Random } from "../random.ts";
import type { Situations } from "../situations.ts";
import type { Trace } from "../trace.ts";
import { Violation } from "../violation.ts";
import { Ledger } from "./ledger.ts";
import { LogChecker } from "./log.ts";
import { ModelChecker } from "./model.ts";
import { PromiseChecker } from "./promises.ts";
import { Sightings } from "./sightings.ts";
import { SpeechChecker } from "./speech.ts";

/** Share of turns after which a machine recomputes everything it keeps counted. */
const DEEP_CHECK_RATE = 0.001;

export class Inspector {
  readonly speech: SpeechChecker;
  readonly log: LogChecker;
  readonly ledger = new Ledger();
  readonly model = new ModelChecker();
  readonly promises = new PromiseChecker(this.ledger);
  readonly #sightings: Sightings;
  readonly #random: Random;
  readonly #trace: Trace;
  /** The newest index that any node has applied. */
  #applied = 0;

  constructor(
    disks: ReadonlyMap<NodeId, Disk>,
    situations: Situations,
    random: Random,
    trace: Trace,
  ) {
    this.log = new LogChecker(disks, situations);
    this.speech = new SpeechChecker((index) => this.log.committedTerm(index));
    this.#sightings = new Sightings(situations, this.ledger, this.log, disks);
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

  /** Sees each Ready on its way from consensus to the replica. */
  tap(id: NodeId, raft: Raft): void {
    const take = raft.takeReady.bind(raft);
    raft.takeReady = (): Ready => {
      const ready = take();
      this.#sightings.ready(id, ready, raft.term);
      if (ready.leadership !== undefined) this.speech.leadership(id, ready.leadership);
      this.log.ready(id, ready);
      return ready;
    };
  }

  sent(id: NodeId, message: Message, disk: Disk): void {
    this.#sightings.sent(message);
    this.speech.sent(id, message, disk);
  }

  forwarded(id: NodeId, forwards: readonly Forward[]): void {
    this.#sightings.forwarded(id, forwards);
  }

  turned(id: NodeId, replica: SimulatedReplica): void {
    this.log.turned(id, replica);
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
    this.#applied = index;
    if (batch === undefined) return;
    this.#trace.note(id, () => describeApplied(index, batch, replies, events));
    this.#sightings.applying(index, batch, replies);
    this.ledger.applied(index, batch, replies, events);
    this.#sightings.applied(index, events);
    this.model.applied(index, batch, replies);
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
