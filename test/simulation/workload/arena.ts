/** What clients and workers know of the world they live in. */
import type { Inspector } from "../checkers/inspector.ts";
import type { SimulatedNode } from "../node.ts";
import { EPOCH_MS } from "../node-clock.ts";
import type { SimulationOptions } from "../options.ts";
import type { Random } from "../random.ts";
import type { Situations } from "../situations.ts";
import type { VirtualTime } from "../virtual-time.ts";

export class Arena {
  readonly time: VirtualTime;
  readonly options: SimulationOptions;
  readonly nodes: readonly SimulatedNode[];
  readonly inspector: Inspector;
  readonly situations: Situations;
  /** Faults are over: everybody behaves, and nobody gives up. */
  isOver = false;
  /** Nodes that callers may talk to. */
  reachable: readonly SimulatedNode[];

  constructor(
    time: VirtualTime,
    options: SimulationOptions,
    nodes: readonly SimulatedNode[],
    inspector: Inspector,
    situations: Situations,
  ) {
    this.time = time;
    this.options = options;
    this.nodes = nodes;
    this.inspector = inspector;
    this.situations = situations;
    this.reachable = nodes;
  }

  /** A caller's wall clock, which is right. */
  get wallMs(): number {
    return Math.floor(EPOCH_MS + this.time.now);
  }

  /** Time that words take between a caller and a node. */
  travelMs(random: Random): number {
    const { min, max } = this.options.network.delayMs;
    return random.between(min, max);
  }

  leader(): SimulatedNode | undefined {
    return this.reachable.find((node) => node.leads);
  }
}
