/**
 * One process of a node, from its start to its end: the real `Replica` with a simulated disk, clock
 * and timer around it. It does what the runtime does and in the same order: inputs pile up, one
 * turn takes them all, and what the turn returns is performed in the order that safety demands.
 */
import type { EntryId, NodeId, PersistBatch } from "task-queue-raft";
import type { Envelope, Roster } from "../../packages/broker/src/replica/index.ts";
import { Alarm } from "./alarm.ts";
import { boot, type SimulatedOutputs, type SimulatedReplica, watchedQueue } from "./boot.ts";
import { DiskDebt } from "./checkers/disk-debt.ts";
import type { Inspector } from "./checkers/inspector.ts";
import { RoomChecker } from "./checkers/room.ts";
import { describeMessage, describeOutputs } from "./describe.ts";
import type { Disk } from "./disk.ts";
import { guarded, type Stoppable } from "./guard.ts";
import type { NodeClock } from "./node-clock.ts";
import type { SimulationOptions } from "./options.ts";
import type { Packet } from "./packet.ts";
import type { Random } from "./random.ts";
import type { Situations } from "./situations.ts";
import { SnapshotExchange } from "./snapshot-exchange.ts";
import { keyText, type StateImage } from "./state-image.ts";
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

/** The node that the process runs on. */
export interface Host extends Stoppable {
  readonly disk: Disk;
  readonly clock: NodeClock;
  readonly channels: Map<string, Channel>;
  readonly life: number;
  send(to: NodeId, packet: Packet): void;
  /** Whom to reach and to let in from now on. */
  rosterChanged(roster: Roster): void;
  elected(): void;
  closeChannels(): void;
  /** The process must end, for good. */
  retire(): void;
  /** The leader knows that its disk had more. */
  foundLost(): void;
}

/** What the operator has configured. */
type Identity = Pick<Parameters<typeof boot>[2], "self" | "priority" | "supports" | "joinedAt">;

/** More turns than this in one second of virtual time: something spins. */
const TURNS_A_SECOND_MAX = 20_000;

/** A chunk of a snapshot is on its way for so long, about. */
const CHUNK_MS = 100;

export class SimulatedProcess {
  readonly replica: SimulatedReplica;
  readonly #host: Host;
  readonly #around: Surroundings;
  readonly #random: Random;
  readonly #alarm: Alarm;
  readonly #snapshots: SnapshotExchange;
  readonly #debt: DiskDebt;
  readonly #room: RoomChecker;
  /** The state that the replica goes on with; it becomes the live one of the disk a little later. */
  #store: StateImage;
  /** What came in while the process was frozen. */
  #backlog: Input[] = [];
  #flushes = 0;
  #turnPlanned = false;
  #frozenUntil = 0;
  #wasFrozen = false;
  #second = 0;
  #turnsThisSecond = 0;
  #isEnded = false;

  constructor(host: Host, random: Random, around: Surroundings, identity: Identity) {
    const { disk, clock, id, life } = host;
    const { time, options, inspector, situations } = around;
    this.#host = host;
    this.#debt = new DiskDebt(id, around.options.raft.electionTimeoutMs);
    this.#room = new RoomChecker(id);
    this.#random = random;
    this.#around = around;
    this.#alarm = new Alarm(time, clock, random, () => this.#planTurn());
    this.#snapshots = this.#newExchange();
    disk.open({
      written: (batches, durable) => {
        this.input((replica) => this.#written(replica, batches, durable));
      },
      synced: (seq) => this.input((replica) => replica.persisted(seq, true)),
      damaged: (error) => host.failStop(error),
    });
    this.#store = disk.live;
    inspector.booting(id, disk);
    this.replica = boot(id, disk, {
      random,
      options,
      inspector,
      situations,
      ...identity,
      now: clock.monotonic(time.now),
      wallMs: clock.wall(time.now),
      life,
    });
  }

  /** Its first turn comes by itself. */
  begin(): void {
    const { id, disk } = this.#host;
    this.#around.inspector.booted(id, this.replica, disk.mark.membership);
    this.#planTurn();
  }

  get isFetching(): boolean {
    return this.#snapshots.isFetching;
  }

  /** Something of its state is on the way to the disk. */
  get isFlushing(): boolean {
    return this.#flushes > 0 || this.#store !== this.#host.disk.live;
  }

  end(): void {
    this.#isEnded = true;
    this.#alarm.reset();
    this.#snapshots.close();
  }

  /** Does nothing for a while; what comes in meanwhile waits. */
  freeze(ms: number): void {
    this.#wasFrozen = true;
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#around.time.now + ms);
  }

  /** The monotonic clock has another rate. */
  clockChanged(): void {
    this.#alarm.reset();
    this.#planTurn();
  }

  // ---- inputs ----

  input(input: Input): void {
    if (this.#isEnded) return;
    const { replica } = this;
    const { time } = this.#around;
    if (this.#frozenUntil > time.now) {
      this.#backlog.push(input);
    } else {
      if (!this.#turnPlanned) this.#advance(replica);
      guarded(this.#host, () => input(replica));
    }
    this.#planTurn();
  }

  receive(from: NodeId, packet: Packet): void {
    this.input((replica) => {
      switch (packet.kind) {
        case "envelope":
          this.#note(replica, packet.envelope);
          this.#room.heard(from, packet.envelope);
          replica.receive(from, packet.envelope);
          break;
        case "forwards":
          replica.forwards(from, packet.forwards);
          break;
        case "forwardReplies":
          replica.forwardReplies(packet.replies);
          break;
        case "chunkRequest":
          this.#snapshots.answer(from, packet.request, replica.leads);
          break;
        case "chunk":
          this.#snapshots.received(packet.chunk);
          break;
      }
    });
  }

  #note({ raft }: SimulatedReplica, { message }: Envelope): void {
    if (message.type !== "installSnapshot" || raft.commit < message.index) return;
    this.#around.situations.hit("duplicate snapshot offer answered");
  }

  // ---- the turn ----

  #planTurn(): void {
    if (this.#turnPlanned) return;
    this.#turnPlanned = true;
    const { time, options } = this.#around;
    const delay = this.#random.between(0, options.clocks.turnMs);
    time.after(Math.max(delay, this.#frozenUntil - time.now), () => this.#plannedTurn());
  }

  #plannedTurn(): void {
    if (this.#isEnded) return;
    const { replica } = this;
    const { time } = this.#around;
    if (this.#frozenUntil > time.now) {
      time.after(this.#frozenUntil - time.now, () => this.#plannedTurn());
      return;
    }
    this.#countTurn();
    guarded(this.#host, () => this.#turn(replica));
    if (!this.#isEnded) this.#alarm.arm(replica.nextDeadline());
  }

  #advance(replica: SimulatedReplica): void {
    const { now } = this.#around.time;
    const { clock } = this.#host;
    replica.advance(clock.monotonic(now), clock.wall(now));
  }

  #turn(replica: SimulatedReplica): void {
    const { inspector, trace, time } = this.#around;
    this.#advance(replica);
    const backlog = this.#backlog;
    this.#backlog = [];
    for (const input of backlog) input(replica);
    this.#turnPlanned = false;
    const outputs = replica.turn();
    trace.note(this.#host.id, () => describeOutputs(replica, outputs));
    inspector.turned(this.#host.id, replica, this.#host.clock.monotonic(time.now));
    this.#checkOffice(replica, outputs);
    this.#perform(outputs);
  }

  /** What a leader must not do with a disk that hangs, or that is nearly full. */
  #checkOffice({ raft }: SimulatedReplica, { persists }: SimulatedOutputs): void {
    const now = this.#host.clock.monotonic(this.#around.time.now);
    for (const { seq } of persists) this.#debt.handed(seq, raft.lastIndex, now);
    if (this.#wasFrozen) this.#debt.thawed(now);
    this.#wasFrozen = false;
    const isSilent = this.#debt.turned(raft, now);
    if (isSilent) this.#around.situations.hit("leader with a hung disk still in office");
    this.#room.turned(raft, persists, now);
  }

  /** The disk has less room than its floor, or has room again. */
  diskLow(isLow: boolean): void {
    this.input((replica) => {
      this.#room.told(isLow);
      replica.diskLow(isLow);
    });
  }

  #perform(outputs: SimulatedOutputs): void {
    const { inspector, situations } = this.#around;
    const { channels, disk } = this.#host;
    const { diverged, lost } = outputs;
    if (diverged !== undefined) inspector.diverged(this.#host.id, diverged);
    if (diverged !== undefined) this.#host.retire();
    else if (lost !== undefined) this.#host.foundLost();
    if (diverged !== undefined || lost !== undefined) return;
    // A worker that registers anew by an answer of this turn has another channel afterwards.
    const told = [...outputs.sessions.values()].map((output) => {
      return { output, channel: channels.get(output.session) };
    });
    if (outputs.roster !== undefined) this.#host.rosterChanged(outputs.roster);
    this.#sendAll(outputs);
    inspector.written(this.#host.id, outputs.persists);
    disk.persist(outputs.persists);
    if (outputs.leadership !== undefined) this.#host.closeChannels();
    if (outputs.leadership?.role === "leader") this.#host.elected();
    for (const { waiter, outcome } of outputs.outcomes) waiter(outcome);
    for (const { output, channel } of told) {
      if (channel === undefined || channels.get(output.session) !== channel) continue;
      channel.told(output);
      if (output.ended) channels.delete(output.session);
    }
    for (const { waiter, applied } of outputs.reads) waiter(applied);
    for (const { waiter, outcome } of outputs.changes) waiter(outcome);
    this.#fetch(outputs);
    if (outputs.flush !== undefined) this.#flush(outputs.flush);
    if (outputs.syncLog) disk.syncLog();
    if (outputs.compact !== undefined) disk.compact(outputs.compact);
    if (!outputs.removed) return;
    situations.hit("removed node ended");
    this.#host.retire();
  }

  #sendAll({ envelopes, forwards, forwardReplies }: SimulatedOutputs): void {
    const { inspector, situations } = this.#around;
    for (const envelope of envelopes) this.#send(envelope);
    for (const { to, forwards: sent } of forwards) {
      inspector.forwarded(this.#host.id, sent);
      this.#host.send(to, { kind: "forwards", forwards: sent });
    }
    for (const { to, replies } of forwardReplies) {
      if (replies.some(({ outcome }) => outcome === undefined)) {
        situations.hit("forwarded write refused by a node that does not lead");
      }
      this.#host.send(to, { kind: "forwardReplies", replies });
    }
  }

  #flush({ flush, mark }: NonNullable<SimulatedOutputs["flush"]>): void {
    const store = this.#store;
    this.#flushes++;
    this.#host.disk.flush(store, flush, mark, () => {
      this.#flushes--;
      // A flush of the former state says nothing about the one that took its place.
      if (store === this.#store) this.input((replica) => replica.flushed());
    });
  }

  /** Reads of the disk and of other nodes that the replica asked for: answered later. */
  #fetch({ contentLoads, logReads, snapshotFetch }: SimulatedOutputs): void {
    const { situations } = this.#around;
    for (const load of contentLoads) {
      situations.hit("content loaded from disk");
      this.#host.disk.load(this.#store, keyText(load.key), (content) => {
        this.input((replica) => replica.contentLoaded(load, content));
      });
    }
    for (const { to, from, maxBytes } of logReads) {
      situations.hit("log read for a slow follower");
      this.#host.disk.readLog(from, maxBytes, (prev, entries) => {
        this.input((replica) => replica.logRead(to, prev, entries));
      });
    }
    if (snapshotFetch !== undefined) this.#snapshots.fetch(snapshotFetch);
  }

  // ---- snapshots ----

  #newExchange(): SnapshotExchange {
    const { time, situations, options } = this.#around;
    return new SnapshotExchange({
      name: `${this.#host.id}.${this.#host.life}`,
      time,
      disk: this.#host.disk,
      situations,
      chunkRowsMax: options.snapshots.rowsAChunk,
      chunkBytesMax: options.network.snapshotBytesPerMs * CHUNK_MS,
      send: (to, packet) => {
        this.#around.trace.note(this.#host.id, () => `${this.#host.id}→${to} ${packet.kind}`);
        this.#host.send(to, packet);
      },
      fetched: (image, id) => this.input((replica) => this.#install(replica, image, id)),
    });
  }

  #install(replica: SimulatedReplica, image: StateImage, id: EntryId): void {
    const { inspector, situations, trace } = this.#around;
    const queue = watchedQueue(this.#host.id, image, inspector);
    inspector.received(this.#host.id, id, queue);
    const { membership } = image.mark!;
    if (!replica.install({ id, membership, queue })) {
      trace.note(this.#host.id, () => `drops a snapshot of ${id.term}/${id.index}`);
      situations.hit("snapshot not needed any more");
      return;
    }
    situations.hit("snapshot installed");
    trace.note(this.#host.id, () => `goes on with a snapshot of ${id.term}/${id.index}`);
    inspector.installed(this.#host.id, id, membership);
    this.#store = image;
    this.#host.disk.adopt(id, image);
  }

  #written(replica: SimulatedReplica, batches: readonly PersistBatch[], durable: boolean): void {
    const { seq } = batches.at(-1)!;
    replica.persisted(seq, durable);
    this.#debt.written(seq, this.#host.clock.monotonic(this.#around.time.now));
    for (const { messages } of batches) {
      for (const message of messages) this.#send(replica.envelope(message));
    }
  }

  #send(envelope: Envelope): void {
    const { inspector, trace } = this.#around;
    const { message } = envelope;
    trace.note(this.#host.id, () => describeMessage(message));
    inspector.sent(this.#host.id, message, this.#host.disk);
    this.#host.send(message.to, { kind: "envelope", envelope });
  }

  #countTurn(): void {
    const second = Math.floor(this.#around.time.now / 1000);
    if (second !== this.#second) this.#turnsThisSecond = 0;
    this.#second = second;
    if (++this.#turnsThisSecond <= TURNS_A_SECOND_MAX) return;
    throw new Violation(
      "no busy loop",
      `${this.#host.id} takes ${TURNS_A_SECOND_MAX} turns in a second`,
    );
  }
}
