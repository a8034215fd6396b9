/**
 * The part of a plan that is about disks: they become slow, hang, fill up, and lose what they hold.
 * Never do more voters lose something at once than a quorum can spare, except where that is what
 * the seed is about.
 */

import type { Aim, DiskDeed } from "./deeds.ts";
import type { Damage } from "./disk-damage.ts";
import type { SimulatedNode } from "./node.ts";
import type { Operator } from "./operator.ts";
import type { Situations } from "./situations.ts";
import type { VirtualTime } from "./virtual-time.ts";

type Deed<K extends DiskDeed["kind"]> = Extract<DiskDeed, { readonly kind: K }>;

export interface DiskFaultSurroundings {
  readonly time: VirtualTime;
  readonly nodes: readonly SimulatedNode[];
  readonly operator: Operator;
  readonly situations: Situations;
  readonly aim: (aim: Aim) => SimulatedNode;
  /** Ends its process, if there is one; another one starts after a while. */
  readonly crash: (node: SimulatedNode, downMs: number, isPowerLoss: boolean) => void;
  /** The cluster has lost more than it can survive. */
  readonly onBeyond: () => void;
}

/** After such a loss nodes try to come back this often, and fail. */
const BEYOND_DOWN_MS = 500;

export class DiskFaults {
  readonly #around: DiskFaultSurroundings;

  constructor(around: DiskFaultSurroundings) {
    this.#around = around;
  }

  do(deed: DiskDeed): void {
    switch (deed.kind) {
      case "slowDisk":
        this.#around.situations.hit("disk slow");
        this.#around.aim(deed.aim).disk.steps.slow(deed.factor, deed.ms);
        break;
      case "hang":
        this.#hang(deed);
        break;
      case "lowDisk":
        this.#low(deed);
        break;
      case "image":
        this.#around.aim(deed.aim).health.takeImage();
        break;
      case "damage":
        this.#damage(deed);
        break;
      case "rot":
        this.#rot(deed);
        break;
      case "beyond":
        this.#beyond(deed);
        break;
    }
  }

  #hang({ aim, lane, ms }: Deed<"hang">): void {
    const node = this.#around.aim(aim);
    const { situations } = this.#around;
    if (lane !== "state") {
      situations.hit(node.leads ? "log of the leader hangs" : "log of a follower hangs");
      node.disk.steps.hang("log", ms);
    }
    if (lane !== "log") {
      situations.hit("flush hangs");
      node.disk.steps.hang("state", ms);
    }
  }

  #low({ mask, ms }: Deed<"lowDisk">): void {
    const { nodes, situations, time } = this.#around;
    const hit = nodes.filter((node, at) => (mask & (1 << at)) !== 0 && !node.health.isLow);
    situations.hit(hit.length * 2 > nodes.length ? "most disks nearly full" : "disk nearly full");
    for (const node of hit) node.lowDisk(true);
    time.after(ms, () => {
      for (const node of hit) node.lowDisk(false);
    });
  }

  #damage({ aim, what, share, power, downMs }: Deed<"damage">): void {
    const node = this.#victim(aim, what);
    if (node === undefined) return;
    const { situations } = this.#around;
    const wasAlive = node.alive;
    const { leads } = node;
    if (wasAlive) this.#around.crash(node, downMs, power);
    if (!node.damage(what, share)) return;
    situations.hit(`damage: ${what}`);
    if (!wasAlive) situations.hit("disk damaged while its node was down");
    if (leads) situations.hit("disk of the leader damaged");
  }

  /** Whoever is aimed at; of what only few can lose the next one that can. */
  #victim(aim: Aim, what: Damage): SimulatedNode | undefined {
    const first = this.#around.aim(aim);
    if (what !== "old volume" && what !== "old copy") {
      return this.#mayLose(first, what) ? first : undefined;
    }
    const { nodes } = this.#around;
    const from = nodes.indexOf(first);
    const order = [...nodes.slice(from), ...nodes.slice(0, from)];
    return order.find((node) => this.#mayLose(node, what));
  }

  #mayLose(node: SimulatedNode, what: Damage): boolean {
    const { operator } = this.#around;
    if (!operator.mayLose(node) || node.recovery.isAsking) return false;
    if (what === "old volume") return this.#isKnownToBeOld(node);
    return what !== "old copy" || node.health.image !== undefined;
  }

  /**
   * Everybody else has let in a start that the volume has not seen yet, nor will with its next
   * one: only these can tell. And alone it must not be able to go on.
   */
  #isKnownToBeOld(node: SimulatedNode): boolean {
    const { image, imageVoters } = node.health;
    if (image === undefined || imageVoters < 3) return false;
    const others = this.#around.operator.members().filter((other) => other !== node);
    return others.every((other) => {
      return (other.knownStarts.get(node.incarnation) ?? 0) > image.identity.boots + 1;
    });
  }

  #rot({ aim, what, share }: Deed<"rot">): void {
    const node = this.#around.aim(aim);
    if (!node.alive || !this.#around.operator.mayLose(node)) return;
    node.health.rot(what, share);
    if (node.health.isHurt) this.#around.situations.hit(`${what} goes bad under a running process`);
  }

  /** Nobody has a quorum any more that has all that was acknowledged. */
  #beyond({ whats, share }: Deed<"beyond">): void {
    const { operator, situations, crash, onBeyond } = this.#around;
    const voters = operator.voters();
    const from = Math.floor(share * voters.length);
    // Those that are listed and not there any more have lost all they had.
    const count = Math.floor(operator.voterCount / 2) + 1;
    const sound = voters.filter((node) => !node.health.isHurt).length;
    let hurt = operator.voterCount - sound;
    for (let step = 0; step < voters.length && hurt < count; step++) {
      const node = voters[(from + step) % voters.length]!;
      if (node.health.isHurt) continue;
      crash(node, BEYOND_DOWN_MS, false);
      node.damage(whats[step]!, share);
      // There was nothing to damage yet, or a start would not need it any more.
      if (!node.health.isHurt) node.damage("pointer", share);
      hurt++;
    }
    if (hurt < count) return;
    situations.hit("most disks damaged at once");
    onBeyond();
  }
}
