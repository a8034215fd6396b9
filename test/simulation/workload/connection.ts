/**
 * A worker's connection to one node: registers its session there, for the first time or again,
 * and carries words both ways in order until either side or the way between breaks. Like the
 * edge of a real broker it attaches only after the registration was applied, and only the leader
 * takes it.
 */
import type { Command, Register } from "../../../packages/broker/src/queue/index.ts";
import type { Outcome, SessionOutput } from "../../../packages/broker/src/replica/index.ts";
import type { SimulatedReplica } from "../boot.ts";
import type { SimulatedNode } from "../node.ts";
import type { Random } from "../random.ts";
import type { Arena } from "./arena.ts";
import type { Channel } from "./channel.ts";

export interface ConnectionOptions {
  readonly register: Register;
  /** Tokens that the worker believes to hold. */
  readonly held: () => readonly number[];
  readonly opened: (lost: readonly number[]) => void;
  readonly told: (output: SessionOutput) => void;
  readonly closed: (isEnded: boolean) => void;
}

/** A worker waits this long for a broker's answer to its hello. */
const HELLO_MS = 6000;
/** Deliveries this soon after the beginning repeat what the session held before. */
const FRESH_MS = 50;

export class Connection implements Channel {
  readonly #arena: Arena;
  readonly #random: Random;
  readonly #node: SimulatedNode;
  readonly #options: ConnectionOptions;
  readonly #life: number;
  #isOpen = true;
  #attachedAt = Number.POSITIVE_INFINITY;
  #lastUp = 0;
  #lastDown = 0;

  constructor(arena: Arena, random: Random, node: SimulatedNode, options: ConnectionOptions) {
    this.#arena = arena;
    this.#random = random;
    this.#node = node;
    this.#options = options;
    this.#life = node.life;
    this.#up((replica) => this.#hello(replica));
    arena.time.after(HELLO_MS, () => {
      if (this.#attachedAt === Number.POSITIVE_INFINITY) this.drop();
    });
  }

  get isFresh(): boolean {
    return this.#arena.time.now < this.#attachedAt + FRESH_MS;
  }

  // ---- the worker's side ----

  setWindow(window: number): void {
    this.#up((replica) => replica.setWindow(this.#session, window));
  }

  beat(): void {
    this.#up((replica) => replica.beat(this.#session));
  }

  /** `answered` is not called when the connection breaks before. */
  report(command: Command, answered: (outcome: Outcome) => void): void {
    this.#up((replica) => {
      const done = (outcome: Outcome): void => {
        this.#down(() => {
          this.#arena.inspector.promises.answered(command, outcome);
          answered(outcome);
        });
      };
      replica.request(command, done, this.#session);
    });
  }

  unregister(): void {
    const session = this.#session;
    this.#up((replica) => replica.request({ type: "unregister", session }, () => {}));
  }

  /** The way between breaks; the worker sees it at once and the node a little later. */
  drop(): void {
    if (!this.#isOpen) return;
    this.abandon();
    this.#options.closed(false);
  }

  /** The worker is gone. */
  abandon(): void {
    if (!this.#isOpen) return;
    this.#up((replica) => this.#detach(replica));
    this.#isOpen = false;
  }

  // ---- the node's side ----

  told(output: SessionOutput): void {
    this.#down(() => {
      this.#options.told(output);
      if (output.ended) this.#close(true);
    });
  }

  closed(): void {
    this.#down(() => this.#close(false));
  }

  #hello(replica: SimulatedReplica): void {
    if (!replica.leads) {
      this.closed();
      return;
    }
    replica.request(this.#options.register, (outcome) => {
      const isDone = outcome.kind === "applied" && outcome.reply.code === "ok";
      if (isDone) this.#node.input((current) => this.#attach(current));
      else this.closed();
    });
  }

  /** Not on a node that has ceased to lead in the meantime. */
  #attach(replica: SimulatedReplica): void {
    const isHere = this.#isOpen && this.#node.life === this.#life;
    const attached = isHere ? replica.attach(this.#session, this.#options.held()) : undefined;
    if (attached === undefined) {
      this.closed();
      return;
    }
    this.#node.channels.set(this.#session, this);
    this.#down(() => {
      this.#attachedAt = this.#arena.time.now;
      this.#options.opened(attached.lost);
    });
  }

  #detach(replica: SimulatedReplica): void {
    if (this.#node.channels.get(this.#session) !== this) return;
    this.#node.channels.delete(this.#session);
    replica.detach(this.#session);
  }

  #close(isEnded: boolean): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#options.closed(isEnded);
  }

  get #session(): string {
    return this.#options.register.session;
  }

  /** From the worker to the node, in order. */
  #up(input: (replica: SimulatedReplica) => void): void {
    if (!this.#isOpen) return;
    const { time } = this.#arena;
    this.#lastUp = Math.max(this.#lastUp, time.now + this.#arena.travelMs(this.#random));
    time.after(this.#lastUp - time.now, () => {
      if (this.#node.alive && this.#node.life === this.#life) this.#node.input(input);
      else this.closed();
    });
  }

  /** From the node to the worker, in order. */
  #down(action: () => void): void {
    const { time } = this.#arena;
    this.#lastDown = Math.max(this.#lastDown, time.now + this.#arena.travelMs(this.#random));
    time.after(this.#lastDown - time.now, () => {
      if (this.#isOpen) action();
    });
  }
}
