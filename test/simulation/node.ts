/**
 * One broker's machine in the simulation: its disk, its clocks, which installation it is and to
 * which cluster that belongs, and the process that runs on it, if one does. A crash forgets
 * everything but the disk; wiped, it forgets that as well and is another node of the same name.
 */
import type { NodeId } from "task-queue-raft";
import {
  decodeRoster,
  encodeRoster,
  type Member,
  type Roster,
} from "../../packages/broker/src/replica/index.ts";
import type { SimulatedReplica } from "./boot.ts";
import type { Holder } from "./checkers/log.ts";
import type { Disk } from "./disk.ts";
import type { Network, Station } from "./network.ts";
import type { NodeClock } from "./node-clock.ts";
import type { Packet } from "./packet.ts";
import { type Host, type Input, SimulatedProcess, type Surroundings } from "./process.ts";
import type { Random } from "./random.ts";
import type { Channel } from "./workload/channel.ts";

/** What a test may plant in a replica right after its birth. */
export type Mutate = (replica: SimulatedReplica, id: NodeId) => void;

export class SimulatedNode implements Station, Host {
  readonly id: NodeId;
  readonly disk: Disk;
  readonly clock: NodeClock;
  readonly channels = new Map<string, Channel>();
  readonly priority: number;
  /** What earlier incarnations had on their disks at the end. */
  readonly formers: Holder[] = [];
  /** Hears when this node is elected. */
  onElected: (() => void) | undefined;
  mutate: Mutate | undefined;
  readonly #around: Surroundings;
  readonly #random: Random;
  #network: Network | undefined;
  #process: SimulatedProcess | undefined;
  #life = 0;
  #incarnation = 1;
  /** The newest roster that its bus knows; undefined: it belongs to no cluster. */
  #book: Roster | undefined;
  /** The process has ended by its own will, for good. */
  #isRetired = false;

  /** `founders`: the members of a new cluster, if this node is one of them. */
  constructor(
    id: NodeId,
    disk: Disk,
    clock: NodeClock,
    random: Random,
    around: Surroundings,
    founders: Roster | undefined,
  ) {
    this.id = id;
    this.disk = disk;
    this.clock = clock;
    this.#random = random;
    this.#around = around;
    this.#book = founders;
    const { priorities } = around.options.members;
    this.priority = priorities ? random.pick([0, 0, 10, 20]) : 0;
  }

  connect(network: Network): void {
    this.#network = network;
  }

  get alive(): boolean {
    return this.#process !== undefined;
  }

  get life(): number {
    return this.#life;
  }

  get incarnation(): string {
    return `${this.id}#${this.#incarnation}`;
  }

  get book(): Roster | undefined {
    return this.#book;
  }

  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** As its operator has configured it. */
  get self(): Member {
    const { id, incarnation } = this;
    return { id, incarnation, bus: `${id}:1`, address: `${id}:2` };
  }

  /** For looking only; undefined while the node is down. */
  get replica(): SimulatedReplica | undefined {
    return this.#process?.replica;
  }

  get leads(): boolean {
    return this.replica?.leads ?? false;
  }

  get isReceiving(): boolean {
    return this.#process?.isFetching ?? false;
  }

  // ---- life and death ----

  /** Nothing happens on a node that belongs to no cluster. */
  start(): void {
    if (this.#book === undefined) return;
    const { time, trace } = this.#around;
    this.#life++;
    this.#isRetired = false;
    this.clock.boot(time.now);
    this.#book = decodeRoster(this.disk.mark.membership);
    const { self, priority } = this;
    const started = new SimulatedProcess(this, this.#random, this.#around, { self, priority });
    this.#process = started;
    const { mark, log } = this.disk;
    trace.note(this.id, () => `starts at ${mark.applied} of ${log.last.index}`);
    this.mutate?.(started.replica, this.id);
    started.begin();
    this.#network?.nodeChanged(this.id);
  }

  crash(isPowerLoss = false): void {
    const { situations, trace } = this.#around;
    trace.note(this.id, () => (isPowerLoss ? "loses power" : "crashes"));
    situations.hit(this.leads ? "leader crashed" : "follower crashed");
    if (this.isReceiving) situations.hit("crash while a snapshot is received");
    this.#end(isPowerLoss);
  }

  /** The process ends in an orderly way and starts again. */
  restart(): void {
    this.#end(false);
    this.start();
  }

  /** For whoever wonders what it is doing. */
  describe(): string {
    const { incarnation, book } = this;
    const { replica } = this;
    const where = `${incarnation} of roster ${book?.revision ?? "none"}`;
    if (replica === undefined) return `${where} ${this.#isRetired ? "retired" : "down"}`;
    const { role, term, commit, lastIndex } = replica.raft;
    const { applied, dirtyCount } = replica.queue;
    const extra = `${this.isFlushing ? " flushing" : ""}${this.isReceiving ? " receiving" : ""}`;
    return `${where} ${role} t${term} ${applied}/${commit}/${lastIndex} dirty ${dirtyCount}${extra}`;
  }

  get isFlushing(): boolean {
    return this.#process?.isFlushing ?? false;
  }

  #end(isPowerLoss: boolean): void {
    this.#process?.end();
    this.#process = undefined;
    this.disk.crash(isPowerLoss);
    this.closeChannels();
    this.#network?.nodeChanged(this.id);
  }

  retire(): void {
    this.#around.trace.note(this.id, () => "ends");
    this.#end(false);
    this.#isRetired = true;
  }

  closeChannels(): void {
    for (const channel of this.channels.values()) channel.closed();
    this.channels.clear();
  }

  /** The disk is empty from now on; the node is down and belongs to no cluster. */
  wipe(): void {
    this.#around.trace.note(this.id, () => "is wiped");
    if (this.alive) this.#end(false);
    // What was acknowledged by it was acknowledged.
    const { log } = this.disk;
    const disk = { holds: (index: number, term: number) => log.holds(index, term) };
    this.formers.push({ incarnation: this.incarnation, disk });
    this.#incarnation++;
    this.#isRetired = false;
    this.#book = undefined;
    this.disk.wipe(this.disk.mark.membership);
    this.#network?.nodeChanged(this.id);
  }

  /** Waiting with an empty disk, it has learnt that this roster lists it. */
  join(roster: Roster): void {
    this.#book = roster;
    this.disk.wipe(encodeRoster(roster));
    this.start();
  }

  /** The process does nothing for a while; what comes in meanwhile waits. */
  freeze(ms: number): void {
    this.#process?.freeze(ms);
  }

  /** The monotonic clock runs at another rate from now on. */
  drift(factor: number): void {
    this.clock.drift(this.#around.time.now, factor);
    this.#process?.clockChanged();
  }

  // ---- between the process and the others ----

  input(input: Input): void {
    this.#process?.input(input);
  }

  receive(from: NodeId, packet: Packet): void {
    this.#process?.receive(from, packet);
  }

  peer(peer: NodeId, connected: boolean): void {
    const { trace } = this.#around;
    trace.note(this.id, () => `${connected ? "is connected to" : "lost"} ${peer}`);
    this.input((replica) => replica.peer(peer, connected));
  }

  send(to: NodeId, packet: Packet): void {
    this.#network!.send(this.id, to, packet);
  }

  elected(): void {
    this.onElected?.();
  }

  /** An older roster than the last one changes nothing. */
  rosterChanged(roster: Roster): void {
    if (this.#book !== undefined && roster.revision < this.#book.revision) return;
    this.#book = roster;
    this.#network!.nodeChanged(this.id);
  }

  adoptBook(book: Roster): void {
    this.#around.trace.note(this.id, () => `learns of roster ${book.revision}`);
    this.#book = book;
  }
}
