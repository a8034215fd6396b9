/**
 * One command that a caller wants done, tried at one node after another until an answer comes:
 * after a refusal, an unknown outcome, a broken connection or silence the very same command is
 * sent again.
 */
import { type Command, describeCommand } from "../../../packages/broker/src/queue/index.ts";
import type { Outcome } from "../../../packages/broker/src/replica/index.ts";
import type { SimulatedNode } from "../node.ts";
import type { Random } from "../random.ts";
import type { Arena } from "./arena.ts";

export type Settled = (end: Applied | GaveUp) => void;
export type Applied = Extract<Outcome, { readonly kind: "applied" }>;

/** `mayBeDone` false: every try was refused as certainly not done. */
export interface GaveUp {
  readonly kind: "gaveUp";
  readonly mayBeDone: boolean;
}

const PAUSE_MS = 200;
const PATIENCE_MS_MAX = 10_000;
/** Share of tries after which a caller gives up, while faults are on. */
const GIVE_UP_RATE = 0.05;

export class Errand {
  readonly #arena: Arena;
  readonly #random: Random;
  readonly #command: Command;
  readonly #settled: Settled;
  #tries = 0;
  #lastNode: SimulatedNode | undefined;
  #isSettled = false;
  /** Some try may have been done although nobody said so. */
  #mayBeDone = false;

  constructor(arena: Arena, random: Random, command: Command, settled: Settled) {
    this.#arena = arena;
    this.#random = random;
    this.#command = command;
    this.#settled = settled;
    this.#try();
  }

  describe(): string {
    const { wallMs } = this.#arena;
    return `try ${this.#tries} of ${describeCommand(this.#command, wallMs)}`;
  }

  #try(): void {
    const node = this.#random.pick(this.#arena.reachable);
    const { situations } = this.#arena;
    if (this.#lastNode !== undefined && node !== this.#lastNode) {
      situations.hit("caller sent its command to another node");
    }
    this.#lastNode = node;
    const number = ++this.#tries;
    this.#after(this.#travel(), () => this.#arrive(node, number));
    this.#after(this.#patienceMs(), () => {
      if (number !== this.#tries || this.#isSettled) return;
      situations.hit("caller heard nothing");
      this.#mayBeDone = true;
      this.#tryAgain(0);
    });
  }

  #arrive(node: SimulatedNode, number: number): void {
    if (!node.alive) {
      this.#after(this.#travel(), () => {
        if (number === this.#tries) this.#tryAgain(PAUSE_MS);
      });
      return;
    }
    const answered = (outcome: Outcome): void => {
      this.#after(this.#travel(), () => this.#answered(outcome, number));
    };
    node.input((replica) => replica.request(this.#command, answered));
  }

  #answered(outcome: Outcome, number: number): void {
    this.#arena.inspector.promises.answered(this.#command, outcome);
    if (this.#isSettled) return;
    const { situations } = this.#arena;
    if (outcome.kind === "applied") {
      this.#isSettled = true;
      this.#settled(outcome);
      return;
    }
    if (outcome.kind === "unknown") {
      this.#mayBeDone = true;
      situations.hit("write with unknown outcome");
    } else if (outcome.code === "no_leader") {
      situations.hit("write refused: no leader");
    } else if (outcome.code === "disk_full") {
      situations.hit("write refused: disk full");
    }
    if (number === this.#tries) this.#tryAgain(PAUSE_MS);
  }

  #tryAgain(pauseMs: number): void {
    if (this.#isSettled) return;
    if (!this.#arena.isOver && this.#random.chance(GIVE_UP_RATE)) {
      this.#isSettled = true;
      this.#settled({ kind: "gaveUp", mayBeDone: this.#mayBeDone });
      return;
    }
    const number = this.#tries;
    this.#after(this.#random.between(0, pauseMs * this.#tries), () => {
      if (number === this.#tries && !this.#isSettled) this.#try();
    });
  }

  /** Twice as long each time: a cluster that is overloaded must not get even more to do. */
  #patienceMs(): number {
    const { clientTimeoutMs } = this.#arena.options.workload;
    return Math.min(clientTimeoutMs * 2 ** (this.#tries - 1), PATIENCE_MS_MAX);
  }

  #travel(): number {
    return this.#arena.travelMs(this.#random);
  }

  #after(ms: number, action: () => void): void {
    this.#arena.time.after(ms, action);
  }
}
