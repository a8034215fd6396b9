/**
 * Carries out the plan: nodes crash and start again, links are cut, clogged and reset, processes
 * and disks stall, clocks go wrong, operators act. Once told to stop it breaks nothing any more.
 */

import { SUPPORTED } from "../../packages/broker/src/replica/index.ts";
import type { Aim, Fault, FaultDeed } from "./deeds.ts";
import { DiskFaults } from "./disk-faults.ts";
import type { Network } from "./network.ts";
import type { SimulatedNode } from "./node.ts";
import { OfficeRelay } from "./office-relay.ts";
import type { Operator } from "./operator.ts";
import type { Random } from "./random.ts";
import type { Situations } from "./situations.ts";
import type { Trace } from "./trace.ts";
import type { VirtualTime } from "./virtual-time.ts";

type Deed<K extends FaultDeed["kind"]> = Extract<FaultDeed, { readonly kind: K }>;

/** A clock that jumps to and fro does so for this long. */
const STROBE_MS = 5000;
/** A leader that shuts down waits this long for somebody to take over. */
const DRAIN_MS_MAX = 3000;
const DRAIN_LOOK_MS = 50;
/** Longer than a leader without a quorum stays in office. */
const TAKING_BACK_MS = 4000;

export interface FaultSurroundings {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly nodes: readonly SimulatedNode[];
  readonly network: Network;
  readonly operator: Operator;
  readonly situations: Situations;
  readonly trace: Trace;
  /** The cluster has lost more than it can survive: it must halt. */
  readonly onBeyond: () => void;
}

export class Faults {
  readonly #around: FaultSurroundings;
  readonly #nodes: readonly SimulatedNode[];
  readonly #situations: Situations;
  readonly #disks: DiskFaults;
  readonly #relay: OfficeRelay;
  #shortOffices: Deed<"shortOffice">[] = [];
  #isOver = false;
  #isBeyond = false;

  constructor(around: FaultSurroundings, plan: readonly Fault[]) {
    this.#around = around;
    this.#nodes = around.nodes;
    this.#situations = around.situations;
    this.#relay = new OfficeRelay({ ...around, nodes: () => around.operator.voters() });
    this.#disks = new DiskFaults({
      ...around,
      aim: (aim) => this.#aim(aim),
      crash: (node, downMs, isPowerLoss) => this.#crash(node, downMs, isPowerLoss),
      onBeyond: () => {
        this.#isBeyond = true;
        around.onBeyond();
      },
    });
    for (const node of around.nodes) {
      node.onElected = () => this.#elected(node);
      node.onTakingBack = () => this.#takingBack(node);
    }
    for (const { id, at, deed } of plan) {
      around.time.after(at, () => {
        if (this.#isOver) return;
        around.trace.note("faults", () => `${id}: ${JSON.stringify(deed)}`);
        this.#do(deed);
      });
    }
  }

  /** The cluster is lost, and nobody shall mend it. */
  get isBeyond(): boolean {
    return this.#isBeyond;
  }

  /** Mends everything, or leaves a minority broken that is not among the nodes returned. */
  stop(minorityStaysDown: boolean): ReadonlySet<SimulatedNode> {
    this.#isOver = true;
    this.#relay.end();
    const broken = minorityStaysDown ? this.#breakMinority() : new Set<SimulatedNode>();
    const well = this.#nodes.filter((node) => !broken.has(node));
    this.#around.network.heal(new Set(well.map(({ id }) => id)));
    for (const node of well) {
      node.drift(1);
      node.clock.strobe(0, 1, 0);
      node.disk.steps.recover();
      node.lowDisk(false);
      node.supports = SUPPORTED;
      // What is bad and was never read is found by a start.
      if (node.alive && node.health.isHurt) node.restart();
      else if (!node.alive && !node.isRetired) node.start();
    }
    this.#around.trace.note("faults", () => `end; well: ${well.map(({ id }) => id).join(" ")}`);
    return broken;
  }

  /** Fewer than half of the members are down or cut off for good. */
  #breakMinority(): Set<SimulatedNode> {
    const { random } = this.#around;
    const members = [...this.#around.operator.members()];
    const broken = new Set<SimulatedNode>();
    for (let left = random.whole(1, Math.floor((members.length - 1) / 2)); left > 0; left--) {
      const [node] = members.splice(random.whole(0, members.length - 1), 1);
      broken.add(node!);
      if (random.chance(0.5)) this.#cut(node!, -1, true, true, true);
      else if (node!.alive) node!.crash();
    }
    return broken;
  }

  #do(deed: FaultDeed): void {
    switch (deed.kind) {
      case "crash":
        this.#crash(this.#aim(deed.aim), deed.downMs, deed.power);
        break;
      case "powerLoss":
        this.#powerLoss(deed);
        break;
      case "ambush":
        this.#ambush(deed);
        break;
      case "shortOffice":
        this.#shortOffices.push(deed);
        break;
      case "partition":
        this.#partition(deed);
        break;
      case "reset":
        this.#reset(deed);
        break;
      case "clog":
        this.#clog(deed);
        break;
      case "freeze":
        this.#situations.hit("process frozen");
        this.#aim(deed.aim).freeze(deed.ms);
        break;
      case "diskStall":
        this.#situations.hit("disk stalled");
        this.#aim(deed.aim).disk.steps.stall(deed.ms);
        break;
      case "wallJump":
        this.#situations.hit("wall clock jumped");
        this.#aim(deed.aim).clock.jump(deed.ms);
        break;
      case "strobe":
        this.#strobe(deed);
        break;
      case "drift":
        this.#drift(deed);
        break;
      case "sigterm":
        this.#sigterm(this.#aim(deed.aim), deed.downMs);
        break;
      case "transfer":
        this.#around.operator.transfer(deed.to);
        break;
      case "member":
        this.#around.operator.begin(deed.procedure, deed.share);
        break;
      case "revive":
        this.#revive(deed.share);
        break;
      case "relay":
        this.#relay.begin(deed.share, deed.afterMs);
        break;
      case "roll":
        this.#roll(deed);
        break;
      case "raise":
        this.#around.operator.raise(deed.to);
        break;
      default:
        this.#disks.do(deed);
    }
  }

  // ---- crashes ----

  #crash(node: SimulatedNode, downMs: number, isPowerLoss: boolean): void {
    if (node.recovery.isAsking) node.recovery.interrupt(downMs);
    if (!node.alive) return;
    node.crash(isPowerLoss);
    this.#startAfter(node, downMs);
    const members = this.#around.operator.members();
    const down = members.filter((member) => !member.alive).length;
    if (members.length > 1 && down * 2 > members.length) this.#situations.hit("majority lost");
  }

  #startAfter(node: SimulatedNode, downMs: number): void {
    const { incarnation, life } = node;
    this.#around.time.after(downMs, () => {
      const isSame = node.incarnation === incarnation && node.life === life;
      if (isSame && !node.alive && !node.isRetired && !this.#isOver) node.start();
    });
  }

  #powerLoss({ downMs }: Deed<"powerLoss">): void {
    if (this.#nodes.length > 1) this.#situations.hit("all nodes crashed at once");
    for (const [at, node] of this.#nodes.entries()) this.#crash(node, downMs[at]!, true);
  }

  #ambush({ aim, label, survives, moment, downMs }: Deed<"ambush">): void {
    const node = this.#aim(aim);
    const strike = () => {
      if (!this.#isOver) this.#crash(node, downMs, false);
    };
    node.disk.steps.ambush({ label, survives, moment, strike });
  }

  /** A new leader has entries of earlier terms that only some have: the moment to lose it. */
  #elected(node: SimulatedNode): void {
    this.#relay.elected(node);
    const deed = this.#isOver ? undefined : this.#shortOffices.shift();
    if (deed === undefined) return;
    const { life } = node;
    this.#around.time.after(deed.afterMs, () => {
      if (node.life !== life || this.#isOver || !node.leads) return;
      this.#situations.hit("leader lost right after its election");
      if (deed.crash) this.#crash(node, deed.downMs, false);
      else this.#cutFor(node, deed.mask, true, true, deed.downMs);
    });
  }

  /** A leader changes the members for one that comes back: nobody must hear how that ends. */
  #takingBack(node: SimulatedNode): void {
    const deed = this.#isOver ? undefined : this.#shortOffices.shift();
    if (deed === undefined) return;
    this.#situations.hit("leader cut off");
    this.#cutFor(node, -1, true, true, deed.downMs + TAKING_BACK_MS);
  }

  /** Hands the office over first; whatever comes of it, the process ends soon. */
  #sigterm(node: SimulatedNode, downMs: number): void {
    if (!node.alive) return;
    this.#situations.hit("node shut down");
    const { life, leads } = node;
    node.input((replica) => replica.drain());
    const end = this.#around.time.now + DRAIN_MS_MAX;
    const look = () => {
      if (node.life !== life || !node.alive) return;
      if (node.leads && this.#around.time.now < end) {
        this.#around.time.after(DRAIN_LOOK_MS, look);
        return;
      }
      if (leads && !node.leads) this.#situations.hit("leader handed over before it shut down");
      if (!this.#isOver) this.#crash(node, downMs, false);
      else node.restart();
    };
    look();
  }

  /** The operator stops a node and starts it with another binary. */
  #roll({ share, to, downMs }: Deed<"roll">): void {
    const present = this.#present();
    const node = present[Math.floor(share * present.length)]!;
    if (node.supports.max === to) return;
    const isBack = to < node.supports.max;
    this.#situations.hit(isBack ? "node rolled back to the older binary" : "node rolled up");
    node.supports = { min: 1, max: to };
    if (node.alive) this.#crash(node, downMs, false);
    else if (node.isTooOld) node.start();
  }

  /** Somebody starts a node again that was removed. */
  #revive(share: number): void {
    const retired = this.#nodes.filter((node) => node.isRetired);
    if (retired.length === 0) return;
    this.#situations.hit("removed node started again");
    retired[Math.floor(share * retired.length)]!.start();
  }

  // ---- the network ----

  #partition({ aim, mask, deaf, mute, ms }: Deed<"partition">): void {
    if (!deaf || !mute) this.#situations.hit("one-way partition");
    const node = this.#aim(aim);
    if (node.leads) this.#situations.hit("leader cut off");
    this.#cutFor(node, mask, deaf, mute, ms);
  }

  #cutFor(node: SimulatedNode, mask: number, deaf: boolean, mute: boolean, ms: number): void {
    this.#cut(node, mask, deaf, mute, true);
    this.#around.time.after(ms, () => {
      if (!this.#isOver) this.#cut(node, mask, deaf, mute, false);
    });
  }

  #cut(node: SimulatedNode, mask: number, deaf: boolean, mute: boolean, blocked: boolean): void {
    const { network } = this.#around;
    this.#nodes.forEach((other, at) => {
      if (other === node || (mask & (1 << at)) === 0) return;
      if (deaf) network.block(other.id, node.id, blocked);
      if (mute) network.block(node.id, other.id, blocked);
    });
  }

  #reset({ aim, other, both }: Deed<"reset">): void {
    const [from, to] = this.#pair(aim, other);
    if (to === undefined) return;
    this.#situations.hit("connection reset");
    this.#around.network.reset(from.id, to.id);
    if (both) this.#around.network.reset(to.id, from.id);
  }

  #clog({ aim, other, ms }: Deed<"clog">): void {
    const [from, to] = this.#pair(aim, other);
    if (to === undefined) return;
    this.#situations.hit("link clogged");
    this.#around.network.clog(from.id, to.id, ms);
  }

  #pair(aim: Aim, share: number): readonly [SimulatedNode, SimulatedNode | undefined] {
    const from = this.#aim(aim);
    const others = this.#present().filter((node) => node !== from);
    return [from, others[Math.floor(share * others.length)]];
  }

  // ---- clocks ----

  #strobe({ aim, ms, periodMs }: Deed<"strobe">): void {
    this.#situations.hit("wall clock strobed");
    this.#aim(aim).clock.strobe(ms, periodMs, this.#around.time.now + STROBE_MS);
  }

  #drift({ aim, factor, ms }: Deed<"drift">): void {
    this.#situations.hit(factor > 1 ? "monotonic clock fast" : "monotonic clock slow");
    const node = this.#aim(aim);
    node.drift(factor);
    this.#around.time.after(ms, () => node.drift(1));
  }

  #aim({ leader, share }: Aim): SimulatedNode {
    const present = this.#present();
    const leading = leader ? present.find((node) => node.leads) : undefined;
    return leading ?? present[Math.floor(share * present.length)]!;
  }

  /** Nodes that belong to a cluster. */
  #present(): readonly SimulatedNode[] {
    return this.#nodes.filter(({ book }) => book !== undefined);
  }
}
