/**
 * One simulated cluster from its birth to its final check. First the safety phase: faults and
 * load, checked at every step. Then the liveness phase: what is broken is mended, all of it or
 * all but a minority, workers are honest, and within a bound of virtual time every task must
 * reach its end and every member the same state. The seed decides everything; a selection leaves
 * out some of it.
 */
import type { NodeId } from "task-queue-raft";
import { describeTask } from "../../packages/broker/src/queue/index.ts";
import {
  encodeRoster,
  type Roster,
  SUPPORTED,
  type VersionRange,
} from "../../packages/broker/src/replica/index.ts";
import { ClockChecker } from "./checkers/clock.ts";
import { checkEnd } from "./checkers/end.ts";
import { Inspector } from "./checkers/inspector.ts";
import { isFinal } from "./checkers/ledger-task.ts";
import type { Fault } from "./deeds.ts";
import { describeNode } from "./describe.ts";
import { Disk } from "./disk.ts";
import { Faults } from "./faults.ts";
import { Network } from "./network.ts";
import { firstIncarnation, type Mutate, SimulatedNode } from "./node.ts";
import { NodeClock } from "./node-clock.ts";
import { Operator } from "./operator.ts";
import type { SimulationOptions, VersionOptions } from "./options.ts";
import { planFaults } from "./plan.ts";
import type { Surroundings } from "./process.ts";
import { Random } from "./random.ts";
import { RejoinCalls } from "./rejoin-calls.ts";
import { Situations } from "./situations.ts";
import { Trace } from "./trace.ts";
import { demand, Violation } from "./violation.ts";
import { VirtualTime } from "./virtual-time.ts";
import { Arena } from "./workload/arena.ts";
import { Workload } from "./workload/workload.ts";

/** How often the end of a phase is looked for. */
const LOOK_MS = 250;
/** A write that its caller gave up may still be under way for so long. */
const QUIET_MS = 10_000;

const STATE_LINES_MAX = 12;
/** Long enough for every leader without a quorum to find out, and for what was on its way. */
const HALT_MS = 20_000;

export interface TraceOptions {
  readonly keep: boolean;
  readonly live: boolean;
}

export const NO_TRACE: TraceOptions = { keep: false, live: false };

/** What of a seed is to happen. */
export interface Selection {
  readonly faults: (fault: Fault) => boolean;
  /** Deeds of clients, by name. */
  readonly deeds: (deed: string) => boolean;
}

export const EVERYTHING: Selection = { faults: () => true, deeds: () => true };

export interface Planted {
  /** Changes each replica right after its birth. */
  readonly replica?: Mutate;
  readonly packets?: NonNullable<Network["tamper"]>;
  /** Nodes that say so do not break the run. */
  readonly expectsDivergence?: boolean;
}

export class Simulator {
  readonly options: SimulationOptions;
  readonly trace: Trace;
  readonly situations = new Situations();
  readonly inspector: Inspector;
  readonly plan: readonly Fault[];
  readonly nodes: readonly SimulatedNode[];
  readonly #time = new VirtualTime();
  readonly #faults: Faults;
  readonly #operator: Operator;
  readonly #arena: Arena;
  readonly #workload: Workload;
  #broken: ReadonlySet<SimulatedNode> = new Set();

  constructor(
    seed: number,
    options: SimulationOptions,
    trace: TraceOptions,
    selection: Selection = EVERYTHING,
    planted: Planted = {},
  ) {
    const random = new Random(seed);
    const time = this.#time;
    const { situations } = this;
    this.options = options;
    this.trace = new Trace(trace.keep, trace.live, () => time.now);
    const founders = foundersOf(options);
    const nodes = new Map<NodeId, SimulatedNode>();
    this.inspector = new Inspector(
      () => nodes,
      founders,
      new ClockChecker(() => time.now, aheadMs(options)),
      situations,
      random.fork("inspector"),
      this.trace,
    );
    this.inspector.expectsDivergence = planted.expectsDivergence ?? false;
    const around = { time, options, inspector: this.inspector, situations, trace: this.trace };
    for (const node of makeNodes(founders, around, random)) nodes.set(node.id, node);
    this.nodes = [...nodes.values()];
    for (const node of this.nodes) node.mutate = planted.replica;
    const network = this.#connect(random, planted);
    new RejoinCalls({
      time,
      random: random.fork("rejoin"),
      delayMs: options.network.delayMs,
      network,
      nodes: this.nodes,
      situations,
    });
    this.#operator = new Operator({
      time,
      nodes: this.nodes,
      network,
      situations,
      trace: this.trace,
      roster: () => this.inspector.config.roster,
      isSettled: () => this.inspector.config.isSettled,
    });
    const reachable = () => this.#reachable();
    this.#arena = new Arena(
      time,
      options,
      this.nodes,
      this.inspector,
      situations,
      reachable,
      selection.deeds,
    );
    this.#workload = new Workload(this.#arena, random.fork("workload"));
    this.plan = planFaults(options, random.fork("plan"));
    const operator = this.#operator;
    this.#faults = new Faults(
      {
        time,
        random: random.fork("faults"),
        nodes: this.nodes,
        network,
        operator,
        situations,
        trace: this.trace,
        onBeyond: () => this.trace.note("faults", () => "the cluster is lost"),
      },
      this.plan.filter(selection.faults),
    );
  }

  #connect(random: Random, { packets }: Planted): Network {
    const network = new Network(
      this.#time,
      random.fork("network"),
      this.options.network,
      this.situations,
      this.nodes,
    );
    network.tamper = packets;
    for (const node of this.nodes) node.connect(network);
    return network;
  }

  /** Virtual time that has passed. */
  get elapsedMs(): number {
    return this.#time.now;
  }

  /** Names of what clients did. */
  get deeds(): readonly string[] {
    return this.#arena.deeds;
  }

  /** Throws a `Violation`. */
  run(): void {
    for (const node of this.nodes) node.start();
    const { safetyMs, faults } = this.options;
    this.#time.runUntil(safetyMs);
    if (this.#faults.isBeyond) {
      this.#checkHalted();
      return;
    }
    this.#broken = this.#faults.stop(faults.minorityStaysDown);
    this.#arena.isOver = true;
    this.#workload.settle();
    const { ledger } = this.inspector;
    this.#await("tasks finish", QUIET_MS, () => {
      return this.#operator.isIdle && this.#workload.isIdle && ledger.allFinal();
    });
    this.#workload.retire();
    this.#await("nodes agree", 0, () => this.#agree());
    this.#operator.checkAnswers();
    checkEnd(this.inspector, this.#well());
    this.#noteEnd();
  }

  /** All is mended but what the disks have lost: nobody may go on without it. */
  #checkHalted(): void {
    this.#faults.stop(false);
    this.#time.runUntil(this.#time.now + HALT_MS);
    const { log } = this.inspector;
    const { commit } = log;
    this.#time.runUntil(this.#time.now + HALT_MS);
    demand(log.commit === commit, "a lost majority halts the cluster", () => {
      return `entry ${log.commit} is committed, ${commit} was before`;
    });
    for (const { id, leads } of this.nodes) {
      demand(!leads, "a lost majority halts the cluster", () => `${id} leads`);
    }
    this.situations.hit("cluster halted after most disks were lost");
  }

  #noteEnd(): void {
    const { voters, learners } = this.#counts();
    if (this.#broken.size > 0) this.situations.hit("came to rest without a minority");
    if (learners > 0) this.situations.hit("came to rest with a learner");
    if (voters !== this.options.nodes) this.situations.hit("came to rest with other voters");
  }

  #counts() {
    const { members } = this.inspector.config.roster;
    const voters = members.filter(({ voter }) => voter).length;
    return { voters, learners: members.length - voters };
  }

  /** Members that are not to stay broken. */
  #well(): readonly SimulatedNode[] {
    return this.#operator.members().filter((node) => !this.#broken.has(node));
  }

  /** While faults are on: whoever belongs to a cluster, or did once. */
  #reachable(): readonly SimulatedNode[] {
    if (this.#arena.isOver) return this.#well();
    return this.nodes.filter(({ book }) => book !== undefined);
  }

  #agree(): boolean {
    const { applied } = this.inspector;
    return this.#well().every(({ replica, isFlushing }) => {
      if (replica === undefined || isFlushing) return false;
      const { queue, raft } = replica;
      return queue.applied === applied && raft.lastIndex === applied && queue.dirtyCount === 0;
    });
  }

  /** What stands in the way, for whoever has to find out why. */
  #state(): string {
    const { members } = this.inspector.config.roster;
    const listed = members.map(({ incarnation, voter }) => incarnation + (voter ? "" : " learner"));
    const parts = [this.#workload.describeOpen(), `members ${listed.join(" ")}`];
    if (!this.#operator.isIdle) parts.push("the operator is at work");
    for (const node of this.nodes) parts.push(describeNode(node));
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

/** The cluster begins with the newest version that all its founders know. */
function foundersOf({ nodes, versions }: SimulationOptions): Roster {
  const members = Array.from({ length: nodes }, (_, at) => {
    const id = `node${at + 1}`;
    const where = { bus: `${id}:1`, address: `${id}:2` };
    return { id, incarnation: `${id}#1`, ...where, voter: true, versions: binaryOf(versions, at) };
  });
  const version = Math.min(...members.map(({ versions: { max } }) => max));
  return version === 1
    ? { revision: 0, members }
    : { revision: 0, members, clusterVersion: version };
}

function binaryOf({ oldMask, oldMax }: VersionOptions, at: number): VersionRange {
  return (oldMask & (1 << at)) === 0 ? SUPPORTED : { min: 1, max: oldMax };
}

/** How far clocks that are right may be ahead of true time; undefined: too many may be wrong. */
function aheadMs({ nodes, members, faults, clocks }: SimulationOptions): number | undefined {
  const isFixed = members.everyMs === Number.POSITIVE_INFINITY;
  if (!isFixed || nodes < 3 || faults.oddClockShare === undefined) return undefined;
  // A leader that wakes up to closed streams knows no clock but its own for a moment, and follows
  // it at double speed for as long as it was frozen.
  return clocks.skewMs + faults.freezeMs.max;
}

function makeNodes(founders: Roster, around: Surroundings, random: Random): SimulatedNode[] {
  const { time, options, situations } = around;
  const { skewMs, drift } = options.clocks;
  const count = options.nodes + options.members.spares;
  return Array.from({ length: count }, (_, at) => {
    const id = `node${at + 1}`;
    const membership = encodeRoster(founders);
    const owner = { id, incarnation: firstIncarnation(id) };
    const dice = random.fork(`disk ${id}`);
    const disk = new Disk(time, dice, options.disk, situations, membership, owner);
    const own = random.fork(`node ${id}`);
    const clock = new NodeClock(own.between(1 - drift, 1 + drift), own.between(-skewMs, skewMs));
    const roster = at < options.nodes ? founders : undefined;
    const node = new SimulatedNode(id, disk, clock, own, around, roster);
    node.supports = binaryOf(options.versions, at);
    return node;
  });
}
