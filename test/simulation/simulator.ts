/**
 * One simulated cluster from its birth to its final check. First the safety phase: faults and
 * load, checked at every step. Then the liveness phase: what is broken is mended, all of it or
 * all but a minority, workers are honest, and within a bound of virtual time every task must
 * reach its end and every node the same state. The seed decides everything.
 */
import type { NodeId } from "task-queue-raft";
import { describeTask } from "../../packages/broker/src/queue/index.ts";
import { encodeMembers } from "../../packages/broker/src/replica/index.ts";
import { checkEnd } from "./checkers/end.ts";
import { Inspector } from "./checkers/inspector.ts";
import { isFinal } from "./checkers/ledger.ts";
import { Disk } from "./disk.ts";
import { Faults } from "./faults.ts";
import { Network } from "./network.ts";
import { SimulatedNode, type Surroundings } from "./node.ts";
import { NodeClock } from "./node-clock.ts";
import type { SimulationOptions } from "./options.ts";
import { Random } from "./random.ts";
import { Situations } from "./situations.ts";
import { Trace } from "./trace.ts";
import { Violation } from "./violation.ts";
import { VirtualTime } from "./virtual-time.ts";
import { Arena } from "./workload/arena.ts";
import { Workload } from "./workload/workload.ts";

/** How often the end of a phase is looked for. */
const LOOK_MS = 250;
/** A write that its caller gave up may still be under way for so long. */
const QUIET_MS = 10_000;

const STATE_LINES_MAX = 12;

export interface TraceOptions {
  readonly keep: boolean;
  readonly live: boolean;
}

export class Simulator {
  readonly options: SimulationOptions;
  readonly trace: Trace;
  readonly situations = new Situations();
  readonly inspector: Inspector;
  readonly #time = new VirtualTime();
  readonly #nodes: readonly SimulatedNode[];
  readonly #faults: Faults;
  readonly #arena: Arena;
  readonly #workload: Workload;

  constructor(seed: number, options: SimulationOptions, trace: TraceOptions) {
    const random = new Random(seed);
    const time = this.#time;
    const { situations } = this;
    this.options = options;
    this.trace = new Trace(trace.keep, trace.live, () => time.now);
    const disks = makeDisks(options, time, random, situations);
    this.inspector = new Inspector(disks, situations, random.fork("inspector"), this.trace);
    const around = { time, options, inspector: this.inspector, situations, trace: this.trace };
    this.#nodes = makeNodes(disks, around, random);
    const network = new Network(
      time,
      random.fork("network"),
      options.network,
      situations,
      this.#nodes,
    );
    for (const node of this.#nodes) node.connect(network);
    this.#arena = new Arena(time, options, this.#nodes, this.inspector, situations);
    this.#workload = new Workload(this.#arena, random.fork("workload"));
    this.#faults = new Faults(
      time,
      random.fork("faults"),
      options.faults,
      this.#nodes,
      network,
      situations,
      this.trace,
    );
  }

  /** Virtual time that has passed. */
  get elapsedMs(): number {
    return this.#time.now;
  }

  /** Throws a `Violation`. */
  run(): void {
    for (const node of this.#nodes) node.start();
    this.#time.runUntil(this.options.safetyMs);
    const well = [...this.#faults.stop()];
    this.#arena.reachable = well;
    this.#arena.isOver = true;
    this.#workload.settle();
    const { ledger } = this.inspector;
    this.#await("tasks finish", QUIET_MS, () => this.#workload.isIdle && ledger.allFinal());
    this.#workload.retire();
    this.#await("nodes agree", 0, () => this.#agree(well));
    checkEnd(this.inspector, well);
    if (well.length < this.#nodes.length) this.situations.hit("came to rest without a minority");
  }

  #agree(well: readonly SimulatedNode[]): boolean {
    const { applied } = this.inspector;
    return well.every(({ replica, disk }) => {
      if (replica === undefined || disk.isFlushing) return false;
      const { queue, raft } = replica;
      return queue.applied === applied && raft.lastIndex === applied && queue.dirtyCount === 0;
    });
  }

  /** What stands in the way, for whoever has to find out why. */
  #state(): string {
    const parts = [this.#workload.describeOpen()];
    for (const { id, replica, disk } of this.#nodes) {
      if (replica === undefined) continue;
      const { role, commit, lastIndex } = replica.raft;
      const { applied, dirtyCount } = replica.queue;
      const flushing = disk.isFlushing ? " flushing" : "";
      parts.push(`${id} ${role} ${applied}/${commit}/${lastIndex} dirty ${dirtyCount}${flushing}`);
    }
    const queue = this.#arena.leader()?.replica?.queue;
    for (const task of this.inspector.ledger.tasks.values()) {
      if (queue === undefined || isFinal(task) || parts.length > STATE_LINES_MAX) continue;
      const view = queue.task(task.submit.id);
      if (view !== undefined) parts.push(describeTask(view, queue.clock));
    }
    return parts.join("; ");
  }

  /** Until the condition has held for `quietMs` without a break. */
  #await(what: string, quietMs: number, condition: () => boolean): void {
    const end = this.#time.now + this.options.livenessMs;
    let since = this.#time.now;
    for (;;) {
      if (!condition()) since = this.#time.now + LOOK_MS;
      else if (this.#time.now >= since + quietMs) return;
      if (this.#time.now >= end) {
        const detail = `${what}: not within ${this.options.livenessMs} ms; ${this.#state()}`;
        throw new Violation("liveness", detail);
      }
      this.#time.runUntil(this.#time.now + LOOK_MS);
    }
  }
}

function nodeIds(count: number): readonly NodeId[] {
  return Array.from({ length: count }, (_, at) => `node${at + 1}`);
}

function makeDisks(
  options: SimulationOptions,
  time: VirtualTime,
  random: Random,
  situations: Situations,
): ReadonlyMap<NodeId, Disk> {
  const ids = nodeIds(options.nodes);
  const membership = encodeMembers(
    ids.map((id) => ({ id, incarnation: id, bus: id, address: id, voter: true })),
  );
  return new Map(
    ids.map((id) => {
      const own = random.fork(`disk ${id}`);
      return [id, new Disk(time, own, options.disk, situations, membership)];
    }),
  );
}

function makeNodes(
  disks: ReadonlyMap<NodeId, Disk>,
  around: Surroundings,
  random: Random,
): readonly SimulatedNode[] {
  const { skewMs, drift } = around.options.clocks;
  return [...disks].map(([id, disk]) => {
    const own = random.fork(`node ${id}`);
    const clock = new NodeClock(own.between(1 - drift, 1 + drift), own.between(-skewMs, skewMs));
    return new SimulatedNode(id, disk, clock, own, around);
  });
}
