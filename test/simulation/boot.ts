/**
 * Starts a replica from what a disk holds, the way a broker starts: state records first, then the
 * log, its newest part in memory and the rest readable. The queue machine reports to the inspector
 * what it applies; otherwise it is the one that ships.
 */
import type { NodeId, RecoveredLog } from "task-queue-raft";
import {
  type Batch,
  type QueueEvent,
  QueueMachine,
  type Reply,
} from "../../packages/broker/src/queue/index.ts";
import { type Outcome, type Outputs, Replica } from "../../packages/broker/src/replica/index.ts";
import type { Inspector } from "./checkers/inspector.ts";
import { type Disk, keyText } from "./disk.ts";
import type { SimulationOptions } from "./options.ts";
import type { Random } from "./random.ts";
import type { Situations } from "./situations.ts";

/** Who waits for the outcome of a write, and who for the moment of a read. */
export type WriteWaiter = (outcome: Outcome) => void;
export type ReadWaiter = (applied: number | undefined) => void;

export type SimulatedReplica = Replica<WriteWaiter, ReadWaiter>;
export type SimulatedOutputs = Outputs<WriteWaiter, ReadWaiter>;

interface Birth {
  readonly random: Random;
  readonly options: SimulationOptions;
  readonly inspector: Inspector;
  readonly situations: Situations;
  readonly now: number;
  readonly wallMs: number;
  readonly life: number;
}

const FORWARD_IDS_A_LIFE = 0x1_0000_0000;

export function boot(id: NodeId, disk: Disk, birth: Birth): SimulatedReplica {
  const { random, options, inspector } = birth;
  const { workload } = options;
  const { mark } = disk;
  noteSituations(disk, birth.situations);
  const observe: Observe = (queue, index, batch, replies, events) => {
    inspector.entryApplied(id, queue, index, batch, replies, events);
  };
  const replica = new Replica<WriteWaiter, ReadWaiter>({
    raft: {
      id,
      hardState: disk.hardState,
      log: recoverLog(disk, random),
      random: () => random.float(),
      ...options.raft,
      commitBy: "durable",
    },
    queue: loadQueue(disk, new ObservedQueue(disk, observe)),
    applied: mark.logDurable,
    membership: mark.membership,
    settings: {
      retry: {
        maxRetries: workload.maxRetries,
        initialDelayMs: workload.retryDelayMs,
        multiplier: 2,
        maxDelayMs: 4 * workload.retryDelayMs,
        jitter: 0.2,
      },
      depthLimit: workload.depthLimit,
    },
    now: birth.now,
    wallMs: birth.wallMs,
    firstForwardId: birth.life * FORWARD_IDS_A_LIFE,
  });
  inspector.tap(id, replica.raft);
  return replica;
}

/** The state on a disk, loaded into a machine. */
export function loadQueue<Q extends QueueMachine>(disk: Disk, queue: Q): Q {
  for (const range of QueueMachine.BOOT_RANGES) queue.load(disk.scan(range));
  queue.loaded();
  return queue;
}

/** A machine that nobody watches, with the state of a disk. */
export function stateOf(disk: Disk): QueueMachine {
  return loadQueue(disk, new ObservedQueue(disk, () => {}));
}

type Observe = (
  queue: QueueMachine,
  index: number,
  batch: Batch | undefined,
  replies: readonly Reply[],
  events: readonly QueueEvent[],
) => void;

class ObservedQueue extends QueueMachine {
  readonly #observe: Observe;

  constructor(disk: Disk, observe: Observe) {
    super({ get: (key) => disk.get(keyText(key)) });
    this.#observe = observe;
  }

  override apply(index: number, batch: Batch): Reply[] {
    const before = this.events.length;
    const replies = super.apply(index, batch);
    this.#observe(this, index, batch, replies, this.events.slice(before));
    return replies;
  }

  override skip(index: number): void {
    super.skip(index);
    this.#observe(this, index, undefined, [], []);
  }
}

/** The log behind the applied index must be in memory; how much more is, is up to the reader. */
function recoverLog(disk: Disk, random: Random): RecoveredLog {
  const { applied } = disk.mark;
  const first = applied + 1 - Math.min(applied, random.pick([0, 0, 3, 1000]));
  const prev = disk.log[first - 2];
  return {
    prev: prev === undefined ? { term: 0, index: 0 } : { term: prev.term, index: prev.index },
    tail: disk.log.slice(first - 1),
  };
}

function noteSituations(disk: Disk, situations: Situations): void {
  if (disk.mark.applied > 0) situations.hit("restart from flushed state");
  if (disk.mark.applied < disk.log.length) situations.hit("restart replays the log");
}
