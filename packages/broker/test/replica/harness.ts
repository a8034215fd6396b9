/**
 * A replica in memory, with a disk, a bus and callers that do what a test says: no socket, no timer,
 * no promise. What a disk may do at an awkward moment, a test can hold back and let go:
 * `disk: "slow"`, `holdFlushes`, `loads`.
 */
import { DEFAULTS, type PersistBatch, type SnapshotFetch } from "task-queue-raft";
import {
  type Command,
  type Delivery,
  type Flush,
  QueueMachine,
  type Token,
} from "../../src/queue/index.ts";
import {
  type ChangeOutcome,
  type ClusterMember,
  type ContentLoad,
  encodeRoster,
  type FlushMark,
  type MemberChange,
  type Outcome,
  Replica,
  type Roster,
  SUPPORTED,
  type VersionRange,
} from "../../src/replica/index.ts";
import { MemoryStore, RETRY } from "../queue/harness.ts";
import type { Cluster } from "./cluster.ts";
import { MemoryLog } from "./memory-log.ts";

export type Waiter = (outcome: Outcome) => void;
export type TestReplica = Replica<
  Waiter,
  (applied: number | undefined) => void,
  (outcome: ChangeOutcome) => void
>;
export type TestOutputs = ReturnType<TestReplica["turn"]>;

export const WALL = 1_700_000_000_000;

/** How the nodes of a test differ from the usual. */
export interface NodeOptions {
  readonly snapshotEntries?: number;
  readonly priority?: number;
  readonly electionTimeoutMs?: number;
  /** Usually what follows from a commit is seen everywhere at the same instant. */
  readonly commitDelayMs?: number;
  /** For election timeouts; by default always the same, by the place of its name. */
  readonly random?: () => number;
  /** See `ReplicaOptions`. */
  readonly joinedAt?: number;
  readonly applyWork?: number;
  /** Of a node that joins; usually the same as its name. */
  readonly incarnation?: string;
  /** What its binary can work with; usually all that there is. */
  readonly supports?: VersionRange;
  /** Where it is reached now, if its record says something else. */
  readonly address?: string;
}

/** On its way from node to node. */
export interface Packet {
  readonly from: TestNode;
  readonly to: string;
  /** Of the message, or `forward` or `forwardReply`. */
  readonly type: string;
  readonly give: (replica: TestReplica) => void;
}

export class TestNode {
  readonly id: string;
  store = new MemoryStore();
  readonly log = new MemoryLog();
  readonly replica: TestReplica;
  /** `slow`: batches wait in `unwritten` for `write`. `interval`: written, synced by `sync`. */
  disk: "instant" | "slow" | "interval" = "instant";
  /** Forwarded writes and their answers get lost. */
  lossy = false;
  unwritten: PersistBatch[] = [];
  /** Flushes handed out, and whether the disk takes its time with them. */
  readonly flushes: { readonly flush: Flush; readonly mark: FlushMark }[] = [];
  holdFlushes = false;
  /** Loads not answered yet. */
  loads: ContentLoad[] = [];
  /** Forward messages sent so far. */
  forwarded = 0;
  /** Tokens delivered to each session, in order. */
  readonly delivered = new Map<string, Token[]>();
  readonly lost: Token[] = [];
  readonly renewed: string[] = [];
  syncsWanted = 0;
  /** Whom the bus has been told to reach. */
  roster: Roster | undefined;
  /** What a newer snapshot would be taken from; wanted by the leader and not fetched yet. */
  fetch: SnapshotFetch | undefined;
  holdSnapshots = false;
  compactions: number[] = [];
  readonly notes: string[] = [];
  diverged: TestOutputs["diverged"];
  removed = false;
  hasInput = true;
  /** The state that the newest completed flush vouches for. */
  #flushed: { readonly mark: FlushMark; readonly store: MemoryStore } | undefined;
  #lastSeq = 0;
  readonly #cluster: Cluster;

  constructor(id: string, roster: Roster, cluster: Cluster, options: NodeOptions = {}) {
    this.id = id;
    this.#cluster = cluster;
    const { members } = roster;
    const self = members.find((member) => member.id === id) ?? memberOf(id);
    const random = members.filter((member) => member.id < id).length / members.length;
    this.replica = new Replica({
      raft: {
        ...DEFAULTS,
        commitDelayMs: options.commitDelayMs ?? 0,
        electionTimeoutMs: options.electionTimeoutMs ?? DEFAULTS.electionTimeoutMs,
        id,
        hardState: { term: 0, vote: undefined },
        log: { base: 0, prev: { term: 0, index: 0 }, tail: [] },
        random: options.random ?? (() => random),
        commitBy: cluster.commitBy,
      },
      queue: new QueueMachine(this.store, 0),
      applied: { term: 0, index: 0 },
      membership: encodeRoster(roster),
      settings: {
        retry: RETRY,
        depthLimit: 0,
        snapshotEntries: options.snapshotEntries ?? 10_000,
        priority: options.priority ?? 0,
      },
      supports: options.supports ?? SUPPORTED,
      self: { ...self, address: options.address ?? self.address },
      ...(options.joinedAt === undefined ? {} : { joinedAt: options.joinedAt }),
      logBytes: 0,
      now: cluster.now,
      wallMs: WALL + cluster.now,
      firstForwardId: 1_000,
      ...(options.applyWork === undefined ? {} : { applyWork: options.applyWork }),
    });
  }

  /** The newest persist batch that the disk has been handed. */
  get writtenSeq(): number {
    return this.#lastSeq;
  }

  get queue(): QueueMachine {
    return this.replica.queue;
  }

  input(act: (replica: TestReplica) => void): void {
    this.hasInput = true;
    this.replica.advance(this.#cluster.now, WALL + this.#cluster.now);
    act(this.replica);
  }

  /** Sends a write; the outcome is in the list returned once there is one. */
  request(command: Command, session?: string): Outcome[] {
    const outcomes: Outcome[] = [];
    this.input((replica) => replica.request(command, (each) => outcomes.push(each), session));
    return outcomes;
  }

  change(change: MemberChange): ChangeOutcome[] {
    const outcomes: ChangeOutcome[] = [];
    this.input((replica) => replica.change(change, (each) => outcomes.push(each)));
    return outcomes;
  }

  transfer(to?: string): ChangeOutcome[] {
    const outcomes: ChangeOutcome[] = [];
    this.input((replica) => replica.transferLeadership(to, (each) => outcomes.push(each)));
    return outcomes;
  }

  turn(): void {
    this.hasInput = false;
    // Its process has ended.
    if (this.removed) return;
    this.replica.advance(this.#cluster.now, WALL + this.#cluster.now);
    this.#perform(this.replica.turn());
  }

  /** The slow disk has all that it was handed. */
  write(): void {
    const batches = this.unwritten;
    this.unwritten = [];
    this.#written(batches, true);
  }

  /** The disk that was slow, or held flushes, does all it was asked to, and is instant again. */
  resume(): void {
    this.disk = "instant";
    this.write();
    this.holdFlushes = false;
    if (this.isFlushing) this.flushed();
  }

  sync(): void {
    const seq = this.#lastSeq;
    this.input((replica) => replica.persisted(seq, true));
  }

  /** A flush was handed out, and the disk is not done with it. */
  isFlushing = false;

  flushed(): void {
    this.holdFlushes = false;
    this.isFlushing = false;
    const { flush, mark } = this.flushes.at(-1)!;
    this.store.write(flush);
    this.#flushed = { mark, store: this.store };
    this.input((replica) => replica.flushed());
  }

  /** Fetches the snapshot that is wanted, whole and at once, from `source`; true: it was taken. */
  receiveSnapshot(source: TestNode, harm: (queue: QueueMachine) => void = () => {}): boolean {
    this.fetch = undefined;
    const { mark, store } = source.#flushed!;
    const staged = new MemoryStore();
    for (const [key, entry] of store.records) staged.records.set(key, entry);
    const queue = new QueueMachine(staged, 0);
    for (const range of QueueMachine.BOOT_RANGES) queue.load(staged.scan(range));
    queue.loaded();
    harm(queue);
    let isTaken = false;
    this.input((replica) => {
      const { membership, logDurable: id } = mark;
      isTaken = replica.install({ id, membership, queue });
    });
    if (!isTaken) return false;
    this.store = staged;
    this.isFlushing = false;
    this.#flushed = { mark, store: staged };
    return true;
  }

  /** Answers a load from the store. */
  load(load: ContentLoad): void {
    this.loads = this.loads.filter((each) => each !== load);
    this.input((replica) => replica.contentLoaded(load, this.store.get(load.key)));
  }

  #perform(out: TestOutputs): void {
    const send = (to: string, type: string, give: Packet["give"]): void => {
      this.#cluster.packets.push({ from: this, to, type, give });
    };
    this.#cluster.watch(this, out);
    this.diverged ??= out.diverged;
    this.removed ||= out.removed;
    this.roster = out.roster ?? this.roster;
    this.notes.push(...out.notes.map(({ text }) => text));
    for (const { waiter, outcome } of out.changes) waiter(outcome);
    if (out.snapshotFetch !== undefined) this.fetch = out.snapshotFetch;
    if (out.compact !== undefined) {
      this.log.compact(out.compact);
      this.compactions.push(out.compact);
    }
    for (const envelope of out.envelopes) {
      const { to, type } = envelope.message;
      send(to, type, (replica) => replica.receive(this.id, envelope));
    }
    for (const { to, forwards } of out.forwards) {
      this.forwarded += forwards.length;
      if (!this.lossy) send(to, "forward", (replica) => replica.forwards(this.id, forwards));
    }
    for (const { to, replies } of out.forwardReplies) {
      if (!this.lossy) send(to, "forwardReply", (replica) => replica.forwardReplies(replies));
    }
    if (this.disk === "slow") this.unwritten.push(...out.persists);
    else this.#written(out.persists, this.disk === "instant");
    for (const { waiter, outcome } of out.outcomes) waiter(outcome);
    for (const { session, deliveries, lost, renewed } of out.sessions.values()) {
      for (const delivery of deliveries) this.#deliver(session, delivery);
      for (const { token } of lost) this.lost.push(token);
      if (renewed) this.renewed.push(session);
    }
    for (const { waiter, applied } of out.reads) waiter(applied);
    this.loads.push(...out.contentLoads);
    for (const { to, from } of out.logReads) {
      const { prev, entries } = this.log.read(from);
      this.input((replica) => replica.logRead(to, prev, entries));
    }
    if (out.syncLog) this.syncsWanted++;
    if (out.flush === undefined) return;
    this.flushes.push(out.flush);
    this.isFlushing = true;
    if (!this.holdFlushes) this.flushed();
  }

  /** Before anything else of a node happens: the sources of a snapshot are asked. */
  fetchSnapshot(): void {
    if (this.fetch === undefined || this.holdSnapshots) return;
    const sources = this.fetch.sources.map((id) => this.#cluster.node(id));
    const source = sources.find((each) => (each.#flushed?.mark.applied ?? 0) >= this.fetch!.index);
    if (source !== undefined) this.receiveSnapshot(source);
  }

  #deliver(session: string, { token }: Delivery): void {
    this.delivered.set(session, [...(this.delivered.get(session) ?? []), token]);
  }

  #written(batches: readonly PersistBatch[], durable: boolean): void {
    const seq = batches.at(-1)?.seq;
    if (seq === undefined) return;
    this.#lastSeq = seq;
    for (const batch of batches) this.log.write(batch);
    this.input((replica) => replica.persisted(seq, durable));
    for (const { messages } of batches) {
      for (const message of messages) {
        const envelope = this.replica.envelope(message);
        const give = (replica: TestReplica) => replica.receive(this.id, envelope);
        const { to, type } = message;
        this.#cluster.packets.push({ from: this, to, type, give });
      }
    }
  }
}

/** A founding voter; what it is made of follows from its name. */
export function memberOf(id: string): ClusterMember {
  const where = { bus: `${id}:1`, address: `${id}:2` };
  return { id, incarnation: id, ...where, voter: true, versions: SUPPORTED };
}
