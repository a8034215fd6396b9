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
  SUPPORTED,
  TooNew,
  type VersionRange,
} from "../../packages/broker/src/replica/index.ts";
import type { SimulatedReplica } from "./boot.ts";
import type { Holder } from "./checkers/log.ts";
import type { Disk } from "./disk.ts";
import { type Damage, examine } from "./disk-damage.ts";
import { DiskHealth } from "./disk-health.ts";
import type { DiskLog } from "./disk-log.ts";
import type { Network, Station } from "./network.ts";
import type { NodeClock } from "./node-clock.ts";
import type { Packet } from "./packet.ts";
import { type Host, type Input, SimulatedProcess, type Surroundings } from "./process.ts";
import type { Random } from "./random.ts";
import { Recovery } from "./recovery.ts";
import type { DamageFound } from "./state-image.ts";
import { demand } from "./violation.ts";
import type { Channel } from "./workload/channel.ts";

/** What a test may plant in a replica right after its birth. */
export type Mutate = (replica: SimulatedReplica, id: NodeId) => void;

/** A process that has ended by itself is started again after this time. */
const SUPERVISOR_MS = 1000;

export function firstIncarnation(id: NodeId): string {
  return `${id}#1`;
}

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
  /** Hears when it changes the members for one that is on its way back. */
  onTakingBack: (() => void) | undefined;
  mutate: Mutate | undefined;
  readonly health: DiskHealth;
  /** The way back after its disk has lost something. */
  readonly recovery: Recovery;
  /** The newest start of each incarnation of the others that was let in here; durable. */
  readonly knownStarts = new Map<string, number>();
  /** What the binary can work with that runs here, or will. */
  supports: VersionRange = SUPPORTED;
  #runs: VersionRange = SUPPORTED;
  readonly #around: Surroundings;
  readonly #random: Random;
  #network: Network | undefined;
  #process: SimulatedProcess | undefined;
  #life = 0;
  #incarnation: string;
  #installations = 1;
  /** Revision of the roster with which this incarnation became a member. */
  #joinedAt = 0;
  /** The cluster works with a version that the binary does not know. */
  #isTooOld = false;
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
    this.#incarnation = firstIncarnation(id);
    this.disk = disk;
    this.clock = clock;
    this.#random = random;
    this.#around = around;
    this.#book = founders;
    const { priorities } = around.options.members;
    this.priority = priorities ? random.pick([0, 0, 10, 20]) : 0;
    this.health = new DiskHealth(disk);
    const { time, situations, trace } = around;
    this.recovery = new Recovery({ node: this, time, situations, trace });
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
    return this.#incarnation;
  }

  get boots(): number {
    return this.disk.identity.boots;
  }

  /** What the binary can work with that was started here last. */
  get runs(): VersionRange {
    return this.#runs;
  }

  get isTooOld(): boolean {
    return this.#isTooOld;
  }

  get electionTimeoutMs(): number {
    return this.#around.options.raft.electionTimeoutMs;
  }

  /** On its own clock. */
  get monotonicMs(): number {
    return this.clock.monotonic(this.#around.time.now);
  }

  get book(): Roster | undefined {
    return this.#book;
  }

  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** As its operator has configured it. */
  get self(): Member {
    const { id, incarnation, supports } = this;
    return { id, incarnation, bus: `${id}:1`, address: `${id}:2`, versions: supports };
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

  /** Nothing happens on a node that belongs to no cluster, or that waits for its way back. */
  start(): void {
    if (this.#book === undefined || this.recovery.isAsking) return;
    this.#isRetired = false;
    this.disk.mend();
    const trouble = examine(this.disk);
    if (trouble === undefined) this.#run();
    else this.#recover(trouble);
  }

  #run(): void {
    const { time, trace } = this.#around;
    this.#life++;
    this.clock.boot(time.now);
    const { mark, log } = this.disk;
    trace.note(this.id, () => `starts at ${mark.applied} of ${log.last.index}`);
    try {
      this.#book = decodeRoster(mark.membership);
      const { self, priority, supports } = this;
      this.#runs = supports;
      const identity = { self, priority, supports, joinedAt: this.#joinedAt };
      this.#process = new SimulatedProcess(this, this.#random, this.#around, identity);
    } catch (error) {
      if (!(error instanceof TooNew)) throw error;
      this.tooNew(error);
      return;
    }
    this.#isTooOld = false;
    this.mutate?.(this.#process.replica, this.id);
    this.#process.begin();
    if (this.health.isLow) this.#process.diskLow(true);
    this.#network?.nodeChanged(this.id);
  }

  /** Only a disk that has lost something looks as if it had. */
  #recover(trouble: string): void {
    demand(this.health.isHurt, "a sound disk is found sound", () => `${this.id}: ${trouble}`);
    this.#around.situations.hit("damage found at a start");
    this.health.found();
    this.recovery.begin(trouble, this.#newIncarnation());
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
    this.recovery.cancel();
    this.#isRetired = true;
  }

  /** It has read something that is damaged, and must not go on; its supervisor starts it again. */
  failStop(error: DamageFound): void {
    const { situations, trace, time } = this.#around;
    trace.note(this.id, () => `stops: ${error.message} is damaged`);
    situations.hit("process stopped by what it read");
    this.#end(false);
    const { life } = this;
    time.after(SUPERVISOR_MS, () => {
      if (life === this.life && !this.alive && !this.#isRetired) this.start();
    });
  }

  /** It must not go on with this binary. */
  tooNew(error: TooNew): void {
    const { situations, trace, time } = this.#around;
    trace.note(this.id, () => `stops: ${error.message}`);
    situations.hit("too old a binary stopped");
    this.#end(false);
    this.#isTooOld = true;
    time.after(SUPERVISOR_MS, () => {
      if (this.#isTooOld && this.supports.max > this.#runs.max) this.start();
    });
  }

  /** The leader knows that this disk had more. */
  foundLost(): void {
    const trouble = "the leader knows of entries that were here";
    this.#around.trace.note(this.id, () => `gives itself up: ${trouble}`);
    this.#end(false);
    this.#recover(trouble);
  }

  /** Peers know of a newer start: this disk has been rolled back. */
  foundOutdated(): void {
    if (!this.alive) return;
    this.#around.situations.hit("rolled back disk found out by a peer");
    this.#end(false);
    this.#recover("another node knows of a newer start");
  }

  // ---- the disk ----

  /** The node is down. False: there is nothing that could be damaged in this way. */
  damage(kind: Damage, share: number): boolean {
    // What was acknowledged by it was acknowledged.
    this.#keepPromises(this.disk.log.copy());
    const isDone = this.health.damage(kind, share, this.#incarnation);
    if (isDone) this.#around.trace.note(this.id, () => `its disk is damaged: ${kind}`);
    return isDone;
  }

  #keepPromises(log: DiskLog): void {
    const disk = { holds: (index: number, term: number) => log.holds(index, term) };
    this.formers.push({ incarnation: this.incarnation, disk });
  }

  lowDisk(isLow: boolean): void {
    this.health.isLow = isLow;
    this.#process?.diskLow(isLow);
  }

  #newIncarnation(): string {
    return `${this.id}#${++this.#installations}`;
  }

  closeChannels(): void {
    for (const channel of this.channels.values()) channel.closed();
    this.channels.clear();
  }

  /** The disk is empty from now on; the node is down and belongs to no cluster. */
  wipe(): void {
    this.recovery.cancel();
    this.#empty(this.#newIncarnation(), undefined);
  }

  /** Waiting with an empty disk, it has learnt that this roster lists it. */
  join(roster: Roster): void {
    this.#book = roster;
    this.#joinedAt = roster.revision;
    this.disk.wipe(encodeRoster(roster), this);
    this.start();
  }

  /** As a new incarnation, which this roster lists already. */
  startAnew(incarnation: string, roster: Roster): void {
    this.#empty(incarnation, roster);
    this.join(roster);
  }

  #empty(incarnation: string, book: Roster | undefined): void {
    this.#around.trace.note(this.id, () => "is wiped");
    if (this.alive) this.#end(false);
    this.#keepPromises(this.disk.log);
    this.#incarnation = incarnation;
    this.#isRetired = false;
    this.#isTooOld = false;
    this.health.wiped();
    this.#book = book;
    this.disk.wipe(this.disk.mark.membership, this);
    this.#network?.nodeChanged(this.id);
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
    const versions = connected ? this.#network!.versionsOf(peer) : undefined;
    this.input((replica) => {
      replica.peer(peer, connected);
      if (versions !== undefined) replica.announced(peer, versions);
    });
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
