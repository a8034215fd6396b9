/** Carries the questions of nodes that have lost data to other nodes, and the answers back. */
import type { RejoinRequest } from "../../packages/broker/src/replica/index.ts";
import type { Network } from "./network.ts";
import type { SimulatedNode } from "./node.ts";
import type { Range } from "./options.ts";
import type { Random } from "./random.ts";
import { type RejoinAnswer, serveRejoin } from "./rejoin-desk.ts";
import type { Situations } from "./situations.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface RejoinCallsOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly delayMs: Range;
  readonly network: Network;
  readonly nodes: readonly SimulatedNode[];
  readonly situations: Situations;
}

/** Share of the questions that go to the leader, as those that do not lead would advise. */
const ADVISED_SHARE = 0.5;

export class RejoinCalls {
  readonly #options: RejoinCallsOptions;

  constructor(options: RejoinCallsOptions) {
    this.#options = options;
    for (const node of options.nodes) {
      node.recovery.ask = (asker, request, answered) => this.#ask(asker, request, answered);
    }
  }

  #ask(
    asker: SimulatedNode,
    request: RejoinRequest,
    answered: (answer: RejoinAnswer) => void,
  ): void {
    const { time, network, situations } = this.#options;
    const target = this.#target(asker);
    if (target === undefined) return;
    const back = (answer: RejoinAnswer): void => {
      time.after(this.#travelMs(), () => {
        if (!network.isBlocked(target.id, asker.id)) answered(answer);
        else situations.hit("answer on the way back lost");
      });
    };
    time.after(this.#travelMs(), () => {
      if (!target.alive || network.isBlocked(asker.id, target.id)) return;
      const isConnected = (id: string) => network.isOpen(id, target.id);
      serveRejoin(target, request, isConnected, situations, back);
    });
  }

  /** Of those that are there; the asker cannot know who leads. */
  #target(asker: SimulatedNode): SimulatedNode | undefined {
    const { random, nodes } = this.#options;
    const others = nodes.filter((node) => node !== asker && node.alive);
    if (others.length === 0) return undefined;
    const leader = others.find((node) => node.leads);
    const isAdvised = random.chance(ADVISED_SHARE);
    const other = random.pick(others);
    return isAdvised ? (leader ?? other) : other;
  }

  #travelMs(): number {
    const { random, delayMs } = this.#options;
    return random.between(delayMs.min, delayMs.max);
  }
}
