/**
 * Starts a replica from what a disk holds, the way a broker starts: state records first, then the
 * log, its newest part in memory and the rest readable. The queue machine reports to the inspector
 * what it applies; otherwise it is the one that ships.
 */
import type { NodeId, RecoveredLog } from "task-queue-raft";
import {
  type Batch,
  PLAIN_BACKOFF,
  type QueueEvent,
  QueueMachine,
  type Reply,
} from "../../packages/broker/src/queue/index.ts";
import {
  type ChangeOutcome,
  type Member,
  type Outcome,
  type Outputs,
  Replica,
  type VersionRange,
} from "../../packages/broker/src/replica/index.ts";
import type { Inspector } from "./checkers/inspector.ts";
import type { Disk } from "./disk.ts";
import type { SimulationOptions } from "./options.ts";
import type { Random } from "./random.ts";
import type { Situations } from "./situations.ts";
import { keyText, type StateImage } from "./state-image.ts";

/** Who waits for the outcome of a write, for the moment of a read, and for a change of members. */
export type WriteWaiter = (outcome: Outcome) => void;
export type ReadWaiter = (applied: number | undefined) => void;
export type ChangeWaiter = (outcome: ChangeOutcome) => void;

export type SimulatedReplica = Replica<WriteWaiter, ReadWaiter, ChangeWaiter>;
export type SimulatedOutputs = Outputs<WriteWaiter, ReadWaiter, ChangeWaiter>;

interface Birth {
  readonly random: Random;
  readonly options: SimulationOptions;
  readonly inspector: Inspector;
  readonly situations: Situations;
  readonly self: Member;
  readonly priority: number;
  readonly supports: VersionRange;
  readonly joinedAt: number;
  readonly now: number;
  readonly wallMs: number;
  readonly life: number;
}

const FORWARD_IDS_A_LIFE = 0x1_0000_0000;
/** So few that a node often has more to apply than one turn takes. */
const APPLY_WORK = 16 * 1024;

export function boot(id: NodeId, disk: Disk, birth: Birth): SimulatedReplica {
  const { random, options, inspector } = birth;
  const { workload } = options;
  const { mark } = disk;
  noteSituations(disk, birth.situations);
  const replica: SimulatedReplica = new Replica({
    raft: {
      id,
      hardState: disk.hardState,
      log: recoverLog(disk, random),
      random: () => random.float(),
      ...options.raft,
      commitBy: "durable",
    },
    queue: watchedQueue(id, disk.live, inspector),
    applied: mark.logDurable,
    membership: mark.membership,
    settings: {
      retry: {
        ...PLAIN_BACKOFF,
        maxRetries: workload.maxRetries,
        initialDelayMs: workload.retryDelayMs,
        multiplier: 2,
        maxDelayMs: 4 * workload.retryDelayMs,
        jitter: 0.2,
      },
      depthLimit: workload.depthLimit,
      snapshotEntries: options.snapshots.entries,
      priority: birth.priority,
    },
    supports: birth.supports,
    self: birth.self,
    joinedAt: birth.joinedAt,
    logBytes: disk.log.bytes,
    now: birth.now,
    wallMs: birth.wallMs,
    firstForwardId: birth.life * FORWARD_IDS_A_LIFE,
    applyWork: APPLY_WORK,
  });
  inspector.tap(id, replica.raft);
  return replica;
}

/** The state of an image, loaded into a machine that tells the inspector what it applies. */
export function watchedQueue(id: NodeId, image: StateImage, inspector: Inspector): QueueMachine {
  const observer: Observer = {
    applied: (queue, index, batch, replies, events) => {
      inspector.entryApplied(id, queue, index, batch, replies, events);
    },
    raised: (queue, index) => inspector.raised(id, queue, index),
  };
  return loadQueue(image, new ObservedQueue(image, observer));
}

function loadQueue<Q extends QueueMachine>(image: StateImage, queue: Q): Q {
  for (const range of QueueMachine.BOOT_RANGES) queue.load(image.scan(range));
  queue.loaded();
  return queue;
}

/** A machine that nobody watches, with the state of a disk. */
export function stateOf(disk: Disk): QueueMachine {
  return loadQueue(disk.live, new ObservedQueue(disk.live, { applied() {}, raised() {} }));
}

interface Observer {
  applied(
    queue: QueueMachine,
    index: number,
    batch: Batch | undefined,
    replies: readonly Reply[],
    events: readonly QueueEvent[],
  ): void;
  /** The entry at `index`, which was skipped, has raised the version. */
  raised(queue: QueueMachine, index: number): void;
}

class ObservedQueue extends QueueMachine {
  readonly #observer: Observer;
  #skipped = 0;

  constructor(image: StateImage, observer: Observer) {
    super({ get: (key) => image.get(keyText(key)) });
    this.#observer = observer;
  }

  override apply(index: number, batch: Batch): Reply[] {
    const before = this.events.length;
    const replies = super.apply(index, batch);
    this.#observer.applied(this, index, batch, replies, this.events.slice(before));
    return replies;
  }

  override skip(index: number): void {
    super.skip(index);
    this.#skipped = index;
    this.#observer.applied(this, index, undefined, [], []);
  }

  override raise(version: number): void {
    super.raise(version);
    this.#observer.raised(this, this.#skipped);
  }
}

/** The log behind the applied index must be in memory; how much more is, is up to the reader. */
function recoverLog({ mark, log }: Disk, random: Random): RecoveredLog {
  const { base } = log;
  const more = Math.min(mark.applied - base.index, random.pick([0, 0, 3, 1000]));
  const first = mark.applied + 1 - more;
  const prev = log.entryAt(first - 1) ?? base;
  return {
    base: base.index,
    prev: { term: prev.term, index: prev.index },
    tail: log.tail(first),
  };
}

function noteSituations({ mark, log }: Disk, situations: Situations): void {
  if (mark.applied > 0) situations.hit("restart from flushed state");
  if (mark.applied < log.last.index) situations.hit("restart replays the log");
  if (log.base.index > 0) situations.hit("restart with a compacted log");
}
