/**
 * One broker in the simulation: the real `Replica` with a simulated disk, clock and timer around
 * it. It does what the runtime does and in the same order: inputs pile up, one turn takes them
 * all, and what the turn returns is performed as the fields of `Outputs` stand. A crash forgets
 * everything but the disk.
 */
import type { NodeId, PersistBatch } from "task-queue-raft";
import type { Envelope } from "../../packages/broker/src/replica/index.ts";
import { boot, type SimulatedOutputs, type SimulatedReplica } from "./boot.ts";
import type { Inspector } from "./checkers/inspector.ts";
import { describeMessage, describeOutputs } from "./describe.ts";
import { type Disk, keyText } from "./disk.ts";
import type { Network, Packet, Station } from "./network.ts";
import type { NodeClock } from "./node-clock.ts";
import type { SimulationOptions } from "./options.ts";
import type { Random } from "./random.ts";
import type { Situations } from "./situations.ts";
import type { Trace } from "./trace.ts";
import { Violation } from "./violation.ts";
import type { VirtualTime } from "./virtual-time.ts";
import type { Channel } from "./workload/channel.ts";

export type Input = (replica: SimulatedReplica) => void;

/** What all nodes of a simulation share. */
export interface Surroundings {
  readonly time: VirtualTime;
  readonly options: SimulationOptions;
  readonly inspector: Inspector;
  readonly situations: Situations;
  readonly trace: Trace;
}

/** More turns than this in one second of virtual time: something spins. */
const TURNS_A_SECOND_MAX = 20_000;

export class SimulatedNode implements Station {
  readonly id: NodeId;
  readonly disk: Disk;
  readonly clock: NodeClock;
  readonly channels = new Map<string, Channel>();
  /** Hears when this node is elected. */
  elected: (() => void) | undefined;
  readonly #around: Surroundings;
  readonly #random: Random;
  #network: Network | undefined;
  #replica: SimulatedReplica | undefined;
  #life = 0;
  /** What came in while the process was frozen. */
  #backlog: Input[] = [];
  #turnPlanned = false;
  #frozenUntil = 0;
  /** Monotonic time of the replica's own deadline, and simulated time of the armed timer. */
  #deadline = Number.POSITIVE_INFINITY;
  #armedAt = Number.POSITIVE_INFINITY;
  #second = 0;
  #turnsThisSecond = 0;

  constructor(id: NodeId, disk: Disk, clock: NodeClock, random: Random, around: Surroundings) {
    this.id = id;
    this.disk = disk;
    this.clock = clock;
    this.#random = random;
    this.#around = around;
  }

  connect(network: Network): void {
    this.#network = network;
  }

  get alive(): boolean {
    return this.#replica !== undefined;
  }

  get life(): number {
    return this.#life;
  }

  /** For looking only; undefined while the node is down. */
  get replica(): SimulatedReplica | undefined {
    return this.#replica;
  }

  get leads(): boolean {
    return this.#replica?.leads ?? false;
  }

  // ---- life and death ----

  start(): void {
    const { time, inspector, trace } = this.#around;
    this.#life++;
    this.clock.boot(time.now);
    trace.note(this.id, () => `starts at ${this.disk.mark.applied} of ${this.disk.log.length}`);
    inspector.booting(this.id, this.disk);
    this.#replica = boot(this.id, this.disk, {
      random: this.#random,
      options: this.#around.options,
      inspector,
      situations: this.#around.situations,
      now: this.clock.monotonic(time.now),
      wallMs: this.clock.wall(time.now),
      life: this.#life,
    });
    this.#planTurn();
    this.#network?.nodeChanged(this.id);
  }

  crash(): void {
    const { situations, trace } = this.#around;
    trace.note(this.id, () => "crashes");
    situations.hit(this.leads ? "leader crashed" : "follower crashed");
    this.#replica = undefined;
    this.#backlog = [];
    this.#turnPlanned = false;
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#armedAt = Number.POSITIVE_INFINITY;
    this.#frozenUntil = 0;
    this.disk.crash();
    this.#closeChannels();
    this.#network?.nodeChanged(this.id);
  }

  /** The process does nothing for a while; what comes in meanwhile waits. */
  freeze(ms: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#around.time.now + ms);
  }

  // ---- inputs ----

  input(input: Input): void {
    const replica = this.#replica;
    if (replica === undefined) return;
    const { time } = this.#around;
    if (this.#frozenUntil > time.now) {
      this.#backlog.push(input);
    } else {
      if (!this.#turnPlanned) this.#advance(replica);
      this.#guarded(() => input(replica));
    }
    this.#planTurn();
  }

  receive(from: NodeId, packet: Packet): void {
    this.input((replica) => {
      switch (packet.kind) {
        case "envelope":
          return replica.receive(from, packet.envelope);
        case "forwards":
          return replica.forwards(from, packet.forwards);
        case "forwardReplies":
          return replica.forwardReplies(packet.replies);
      }
    });
  }

  peer(peer: NodeId, connected: boolean): void {
    const { trace } = this.#around;
    trace.note(this.id, () => `${connected ? "is connected to" : "lost"} ${peer}`);
    this.input((replica) => replica.peer(peer, connected));
  }

  // ---- the turn ----

  #planTurn(): void {
    if (this.#turnPlanned) return;
    this.#turnPlanned = true;
    const { time, options } = this.#around;
    const delay = this.#random.between(0, options.clocks.turnMs);
    const life = this.#life;
    time.after(Math.max(delay, this.#frozenUntil - time.now), () => this.#plannedTurn(life));
  }

  #plannedTurn(life: number): void {
    const replica = this.#replica;
    if (life !== this.#life || replica === undefined) return;
    const { time } = this.#around;
    if (this.#frozenUntil > time.now) {
      time.after(this.#frozenUntil - time.now, () => this.#plannedTurn(life));
      return;
    }
    this.#countTurn();
    this.#guarded(() => this.#turn(replica));
    if (this.#replica === replica) this.#arm(replica.nextDeadline());
  }

  #advance(replica: SimulatedReplica): void {
    const { now } = this.#around.time;
    replica.advance(this.clock.monotonic(now), this.clock.wall(now));
  }

  #turn(replica: SimulatedReplica): void {
    const { inspector, trace } = this.#around;
    this.#advance(replica);
    const backlog = this.#backlog;
    this.#backlog = [];
    for (const input of backlog) input(replica);
    this.#turnPlanned = false;
    const outputs = replica.turn();
    trace.note(this.id, () => describeOutputs(replica, outputs));
    inspector.turned(this.id, replica);
    this.#perform(outputs);
  }

  #perform(outputs: SimulatedOutputs): void {
    const network = this.#network!;
    // A worker that registers anew by an answer of this turn has another channel afterwards.
    const told = [...outputs.sessions.values()].map((output) => {
      return { output, channel: this.channels.get(output.session) };
    });
    for (const envelope of outputs.envelopes) this.#send(envelope);
    for (const { to, forwards } of outputs.forwards) {
      this.#around.inspector.forwarded(this.id, forwards);
      network.send(this.id, to, { kind: "forwards", forwards });
    }
    for (const { to, replies } of outputs.forwardReplies) {
      if (replies.some(({ outcome }) => outcome === undefined)) {
        this.#around.situations.hit("forwarded write refused by a node that does not lead");
      }
      network.send(this.id, to, { kind: "forwardReplies", replies });
    }
    this.disk.persist(outputs.persists, this.#persisted);
    if (outputs.leadership !== undefined) this.#closeChannels();
    if (outputs.leadership?.role === "leader") this.elected?.();
    for (const { waiter, outcome } of outputs.outcomes) waiter(outcome);
    for (const { output, channel } of told) {
      if (channel === undefined || this.channels.get(output.session) !== channel) continue;
      channel.told(output);
      if (output.ended) this.channels.delete(output.session);
    }
    for (const { waiter, applied } of outputs.reads) waiter(applied);
    this.#fetch(outputs);
    if (outputs.flush === undefined) return;
    const { flush, mark } = outputs.flush;
    this.disk.flush(flush, mark, () => this.input((replica) => replica.flushed()));
  }

  #closeChannels(): void {
    for (const channel of this.channels.values()) channel.closed();
    this.channels.clear();
  }

  /** Reads of the disk that the replica asked for: answered later. */
  #fetch({ contentLoads, logReads }: SimulatedOutputs): void {
    for (const load of contentLoads) {
      this.#around.situations.hit("content loaded from disk");
      this.disk.load(keyText(load.key), (content) => {
        this.input((replica) => replica.contentLoaded(load, content));
      });
    }
    for (const { to, from, maxBytes } of logReads) {
      this.#around.situations.hit("log read for a slow follower");
      this.disk.readLog(from, maxBytes, (prev, entries) => {
        this.input((replica) => replica.logRead(to, prev, entries));
      });
    }
  }

  readonly #persisted = (batches: readonly PersistBatch[]): void => {
    this.input((replica) => {
      replica.persisted(batches.at(-1)!.seq, true);
      for (const { messages } of batches) {
        for (const message of messages) this.#send(replica.envelope(message));
      }
    });
  };

  #send(envelope: Envelope): void {
    const { inspector, trace } = this.#around;
    const { message } = envelope;
    trace.note(this.id, () => describeMessage(message));
    inspector.sent(this.id, message, this.disk);
    this.#network!.send(this.id, message.to, { kind: "envelope", envelope });
  }

  // ---- the timer ----

  /** An armed timer that is early is left alone: when it fires, it looks again. */
  #arm(deadline: number): void {
    this.#deadline = deadline;
    if (deadline === Number.POSITIVE_INFINITY) return;
    const { time } = this.#around;
    // Timers of an operating system fire late rather than early.
    const late = this.#random.between(0.01, 1);
    const at = Math.max(this.clock.whenMonotonic(deadline), time.now) + late;
    if (at >= this.#armedAt) return;
    this.#armedAt = at;
    const life = this.#life;
    time.after(at - time.now, () => this.#timerFired(life, at));
  }

  #timerFired(life: number, armedAt: number): void {
    if (life !== this.#life || armedAt !== this.#armedAt) return;
    this.#armedAt = Number.POSITIVE_INFINITY;
    if (this.clock.monotonic(this.#around.time.now) >= this.#deadline) this.#planTurn();
    else this.#arm(this.#deadline);
  }

  /** An exception from the replica would end a real process, and here it ends the simulation. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (error instanceof Violation) throw error;
      throw new Violation("no assertion fails", `${this.id}: ${stackOf(error)}`);
    }
  }

  #countTurn(): void {
    const second = Math.floor(this.#around.time.now / 1000);
    if (second !== this.#second) this.#turnsThisSecond = 0;
    this.#second = second;
    if (++this.#turnsThisSecond <= TURNS_A_SECOND_MAX) return;
    throw new Violation("no busy loop", `${this.id} takes ${TURNS_A_SECOND_MAX} turns in a second`);
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
