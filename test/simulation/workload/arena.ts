/** What clients and workers know of the world they live in. */
import { clusterVersionOf } from "../../../packages/broker/src/replica/index.ts";
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
  readonly #reachable: () => readonly SimulatedNode[];
  readonly #wants: (deed: string) => boolean;
  /** Names of what clients did, in order. */
  readonly deeds: string[] = [];

  constructor(
    time: VirtualTime,
    options: SimulationOptions,
    nodes: readonly SimulatedNode[],
    inspector: Inspector,
    situations: Situations,
    reachable: () => readonly SimulatedNode[],
    wants: (deed: string) => boolean,
  ) {
    this.time = time;
    this.options = options;
    this.nodes = nodes;
    this.inspector = inspector;
    this.situations = situations;
    this.#reachable = reachable;
    this.#wants = wants;
  }

  /** Nodes that callers may talk to; never empty. */
  get reachable(): readonly SimulatedNode[] {
    return this.#reachable();
  }

  /** Whether a client is to do this, or whether it is left out of this run. */
  wants(deed: string): boolean {
    if (!this.#wants(deed)) return false;
    this.deeds.push(deed);
    return true;
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

  /** The cluster works with version 3, for good. */
  get knowsLater(): boolean {
    return clusterVersionOf(this.inspector.config.roster) >= 3;
  }

  /** Likewise with version 4. */
  get knowsNewest(): boolean {
    return clusterVersionOf(this.inspector.config.roster) >= 4;
  }

  leader(): SimulatedNode | undefined {
    return this.reachable.find((node) => node.leads);
  }
}
