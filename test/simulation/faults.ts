/**
 * Breaks things, and mends them: nodes crash and start again, links are cut, clogged and reset,
 * processes and disks stall, wall clocks jump. Each kind of fault has a clock of its own, so that
 * they overlap as they like. Once told to stop it breaks nothing any more.
 */
import type { Network } from "./network.ts";
import type { SimulatedNode } from "./node.ts";
import type { FaultOptions, Range } from "./options.ts";
import type { Random } from "./random.ts";
import type { Situations } from "./situations.ts";
import type { Trace } from "./trace.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** A write takes about so long. */
const CRASH_IN_WRITE_MS = 2;
/** An election's winner has its first entry with the others after about so long. */
const SHORT_OFFICE_MS = 10;

export class Faults {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #options: FaultOptions;
  readonly #nodes: readonly SimulatedNode[];
  readonly #network: Network;
  readonly #situations: Situations;
  readonly #trace: Trace;
  #isOver = false;

  constructor(
    time: VirtualTime,
    random: Random,
    options: FaultOptions,
    nodes: readonly SimulatedNode[],
    network: Network,
    situations: Situations,
    trace: Trace,
  ) {
    this.#time = time;
    this.#random = random;
    this.#options = options;
    this.#nodes = nodes;
    this.#network = network;
    this.#situations = situations;
    this.#trace = trace;
    this.#every(options.crashEveryMs, () => this.#crash(this.#victim()));
    for (const node of nodes) {
      node.disk.watch = (delicate) => this.#mayCrashIn(node, delicate);
      node.elected = () => this.#mayCutShort(node);
    }
    this.#every(options.powerLossEveryMs, () => this.#powerLoss());
    this.#every(options.partitionEveryMs, () => this.#partition());
    this.#every(options.resetEveryMs, () => this.#reset());
    this.#every(options.clogEveryMs, () => this.#clog());
    this.#every(options.freezeEveryMs, () => this.#freeze());
    this.#every(options.diskStallEveryMs, () => this.#stallDisk());
    this.#every(options.wallJumpEveryMs, () => this.#jumpWall());
  }

  /** Mends everything, or leaves a minority broken; returns the nodes that are well. */
  stop(): ReadonlySet<SimulatedNode> {
    this.#isOver = true;
    const well = this.#survivors();
    this.#network.heal(new Set([...well].map(({ id }) => id)));
    for (const node of well) {
      node.disk.recover();
      if (!node.alive) node.start();
    }
    this.#trace.note("faults", () => `end; well: ${[...well].map(({ id }) => id).join(" ")}`);
    return well;
  }

  /** All nodes, or all but a minority that stays down or cut off. */
  #survivors(): ReadonlySet<SimulatedNode> {
    const all = new Set(this.#nodes);
    if (!this.#options.minorityStaysDown) return all;
    const minority = Math.floor((this.#nodes.length - 1) / 2);
    for (let left = this.#random.whole(1, minority); left > 0; left--) {
      const node = this.#random.pick([...all]);
      all.delete(node);
      if (this.#random.chance(0.5)) this.#isolate(node, true, true, true);
      else if (node.alive) node.crash();
    }
    return all;
  }

  // ---- crashes ----

  #crash(node: SimulatedNode): void {
    if (!node.alive) return;
    node.crash();
    this.#restart(node);
    if (this.#nodes.length > 1 && this.#down() * 2 > this.#nodes.length) {
      this.#situations.hit("majority lost");
    }
  }

  /** While this write is under way, or in the one behind it. */
  #mayCrashIn(node: SimulatedNode, delicate: boolean): void {
    const { crashInHardState, crashInLog } = this.#options;
    if (this.#isOver) return;
    if (!this.#random.chance(delicate ? crashInHardState : crashInLog)) return;
    const { life } = node;
    this.#time.after(this.#random.exponential(CRASH_IN_WRITE_MS), () => {
      if (node.life === life && !this.#isOver) this.#crash(node);
    });
  }

  /** A new leader has entries of earlier terms that only some have: the moment to lose it. */
  #mayCutShort(node: SimulatedNode): void {
    if (this.#isOver || !this.#random.chance(this.#options.shortOffice)) return;
    const { life } = node;
    this.#time.after(this.#random.exponential(SHORT_OFFICE_MS), () => {
      if (node.life !== life || this.#isOver || !node.leads) return;
      this.#situations.hit("leader lost right after its election");
      if (this.#nodes.length === 1 || this.#random.chance(0.5)) this.#crash(node);
      else this.#cutOff(node, true, true);
    });
  }

  #restart(node: SimulatedNode): void {
    this.#time.after(this.#in(this.#options.restartMs), () => {
      if (!node.alive && !this.#isOver) node.start();
    });
  }

  #powerLoss(): void {
    if (this.#nodes.length > 1) this.#situations.hit("all nodes crashed at once");
    for (const node of this.#nodes) {
      if (node.alive) node.crash();
      this.#restart(node);
    }
  }

  #down(): number {
    return this.#nodes.filter((node) => !node.alive).length;
  }

  /** The leader, as often as the options want, or anybody. */
  #victim(): SimulatedNode {
    const leader = this.#nodes.find((node) => node.leads);
    const isLeader = leader !== undefined && this.#random.chance(this.#options.leaderShare);
    return isLeader ? leader : this.#random.pick(this.#nodes);
  }

  // ---- the network ----

  #partition(): void {
    const oneWay = this.#random.chance(this.#options.oneWayShare);
    const deaf = !oneWay || this.#random.chance(0.5);
    const mute = !oneWay || !deaf;
    if (oneWay) this.#situations.hit("one-way partition");
    const node = this.#victim();
    if (node.leads) this.#situations.hit("leader cut off");
    this.#cutOff(node, deaf, mute);
  }

  /** From most of the others, for a while. */
  #cutOff(node: SimulatedNode, deaf: boolean, mute: boolean): void {
    const others = this.#nodes.filter((other) => other !== node && this.#random.chance(0.8));
    const cut = (blocked: boolean) => {
      for (const other of others) {
        if (deaf) this.#network.block(other.id, node.id, blocked);
        if (mute) this.#network.block(node.id, other.id, blocked);
      }
    };
    this.#trace.note("faults", () => {
      return `cut ${node.id} from ${others.map(({ id }) => id)} in:${deaf} out:${mute}`;
    });
    cut(true);
    this.#time.after(this.#in(this.#options.partitionMs), () => {
      if (!this.#isOver) cut(false);
    });
  }

  #isolate(node: SimulatedNode, deaf: boolean, mute: boolean, blocked: boolean): void {
    for (const other of this.#nodes) {
      if (other === node) continue;
      if (deaf) this.#network.block(other.id, node.id, blocked);
      if (mute) this.#network.block(node.id, other.id, blocked);
    }
  }

  #reset(): void {
    const [from, to] = this.#pair();
    this.#situations.hit("connection reset");
    this.#network.reset(from.id, to.id);
    if (this.#random.chance(0.5)) this.#network.reset(to.id, from.id);
  }

  #clog(): void {
    const [from, to] = this.#pair();
    this.#situations.hit("link clogged");
    this.#network.clog(from.id, to.id, this.#random.between(0, this.#options.clogMs));
  }

  #pair(): readonly [SimulatedNode, SimulatedNode] {
    const from = this.#victim();
    return [from, this.#random.pick(this.#nodes.filter((node) => node !== from))];
  }

  // ---- machines ----

  #freeze(): void {
    this.#situations.hit("process frozen");
    const node = this.#victim();
    const ms = this.#in(this.#options.freezeMs);
    this.#trace.note("faults", () => `freeze ${node.id} for ${ms} ms`);
    node.freeze(ms);
  }

  #stallDisk(): void {
    this.#situations.hit("disk stalled");
    const node = this.#victim();
    const ms = this.#in(this.#options.diskStallMs);
    this.#trace.note("faults", () => `stall the disk of ${node.id} for ${ms} ms`);
    node.disk.stall(ms);
  }

  #jumpWall(): void {
    this.#situations.hit("wall clock jumped");
    const { wallJumpMs } = this.#options;
    this.#victim().clock.jump(this.#random.between(-wallJumpMs, wallJumpMs));
  }

  #in({ min, max }: Range): number {
    return this.#random.between(min, max);
  }

  #every(meanMs: number, fault: () => void): void {
    if (meanMs === Number.POSITIVE_INFINITY) return;
    this.#time.after(this.#random.exponential(meanMs), () => {
      if (this.#isOver) return;
      fault();
      this.#every(meanMs, fault);
    });
  }
}
