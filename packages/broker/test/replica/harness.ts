/**
 * Replicas in memory that hand each other their messages: no socket, no timer, no promise. Time
 * moves when a test says so. What a disk or a network may do at an awkward moment, a test can hold
 * back and let go: `disk: "slow"`, `lossy`, `loads`.
 */
import { DEFAULTS, type PersistBatch } from "task-queue-raft";
import {
  type Command,
  type Delivery,
  type Flush,
  QueueMachine,
  type Token,
} from "../../src/queue/index.ts";
import {
  type ClusterMember,
  type ContentLoad,
  encodeMembers,
  type FlushMark,
  type Outcome,
  type Outputs,
  Replica,
} from "../../src/replica/index.ts";
import { MemoryStore, RETRY } from "../queue/harness.ts";

export type Waiter = (outcome: Outcome) => void;
export type TestReplica = Replica<Waiter, (applied: number | undefined) => void>;
type TestOutputs = Outputs<Waiter, (applied: number | undefined) => void>;

export const WALL = 1_700_000_000_000;

interface Packet {
  readonly from: TestNode;
  readonly to: string;
  readonly give: (replica: TestReplica) => void;
}

export class TestNode {
  readonly id: string;
  readonly store = new MemoryStore();
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
  hasInput = true;
  #lastSeq = 0;
  readonly #cluster: Cluster;

  constructor(id: string, members: readonly ClusterMember[], cluster: Cluster) {
    this.id = id;
    this.#cluster = cluster;
    this.replica = new Replica({
      raft: {
        ...DEFAULTS,
        id,
        hardState: { term: 0, vote: undefined },
        log: { prev: { term: 0, index: 0 }, tail: [] },
        random: () => members.findIndex((member) => member.id === id) / members.length,
        commitBy: cluster.commitBy,
      },
      queue: new QueueMachine(this.store, 0),
      applied: { term: 0, index: 0 },
      membership: encodeMembers(members),
      settings: { retry: RETRY, depthLimit: 0 },
      now: cluster.now,
      wallMs: WALL + cluster.now,
      firstForwardId: 1_000,
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

  turn(): void {
    this.hasInput = false;
    this.replica.advance(this.#cluster.now, WALL + this.#cluster.now);
    this.#perform(this.replica.turn());
  }

  /** The slow disk has all that it was handed. */
  write(): void {
    const batches = this.unwritten;
    this.unwritten = [];
    this.#written(batches, true);
  }

  sync(): void {
    const seq = this.#lastSeq;
    this.input((replica) => replica.persisted(seq, true));
  }

  flushed(): void {
    this.holdFlushes = false;
    this.store.write(this.flushes.at(-1)!.flush);
    this.input((replica) => replica.flushed());
  }

  /** Answers a load from the store. */
  load(load: ContentLoad): void {
    this.loads = this.loads.filter((each) => each !== load);
    this.input((replica) => replica.contentLoaded(load, this.store.get(load.key)));
  }

  #perform(out: TestOutputs): void {
    const send = (to: string, give: Packet["give"]): void => {
      this.#cluster.packets.push({ from: this, to, give });
    };
    for (const envelope of out.envelopes) {
      send(envelope.message.to, (replica) => replica.receive(this.id, envelope));
    }
    for (const { to, forwards } of out.forwards) {
      this.forwarded += forwards.length;
      if (!this.lossy) send(to, (replica) => replica.forwards(this.id, forwards));
    }
    for (const { to, replies } of out.forwardReplies) {
      if (!this.lossy) send(to, (replica) => replica.forwardReplies(replies));
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
    if (out.syncLog) this.syncsWanted++;
    if (out.flush === undefined) return;
    this.flushes.push(out.flush);
    if (!this.holdFlushes) this.flushed();
  }

  #deliver(session: string, { token }: Delivery): void {
    this.delivered.set(session, [...(this.delivered.get(session) ?? []), token]);
  }

  #written(batches: readonly PersistBatch[], durable: boolean): void {
    const seq = batches.at(-1)?.seq;
    if (seq === undefined) return;
    this.#lastSeq = seq;
    this.input((replica) => replica.persisted(seq, durable));
    for (const { messages } of batches) {
      for (const message of messages) {
        const envelope = this.replica.envelope(message);
        const give = (replica: TestReplica) => replica.receive(this.id, envelope);
        this.#cluster.packets.push({ from: this, to: message.to, give });
      }
    }
  }
}

export class Cluster {
  now = 0;
  readonly commitBy: "durable" | "match";
  readonly nodes: readonly TestNode[];
  packets: Packet[] = [];
  /** Nodes that nobody hears, and that hear nobody. */
  readonly cut = new Set<string>();

  constructor(size: number, commitBy: "durable" | "match" = "durable") {
    this.commitBy = commitBy;
    const ids = ["a", "b", "c"].slice(0, size);
    const members = ids.map((id) => ({
      id,
      incarnation: id,
      bus: `${id}:1`,
      address: `${id}:2`,
      voter: true,
    }));
    this.nodes = ids.map((id) => new TestNode(id, members, this));
  }

  node(id: string): TestNode {
    return this.nodes.find((each) => each.id === id)!;
  }

  get leader(): TestNode {
    return this.nodes.find((each) => each.replica.leads && !this.cut.has(each.id))!;
  }

  /** Turns and messages until nothing is left to do at this moment. */
  settle(): void {
    for (let rounds = 0; rounds < 1_000; rounds++) {
      for (const node of this.nodes) if (node.hasInput) node.turn();
      const packets = this.packets;
      this.packets = [];
      for (const { from, to, give } of packets) {
        if (!this.cut.has(from.id) && !this.cut.has(to)) this.node(to).input(give);
      }
      if (packets.length === 0 && !this.nodes.some((node) => node.hasInput)) return;
    }
    throw new Error("it never comes to rest");
  }

  /** Time passes, in steps no longer than the next deadline. */
  elapse(ms: number): void {
    const end = this.now + ms;
    while (this.now < end) {
      const due = Math.min(...this.nodes.map((node) => node.replica.nextDeadline()));
      this.now = Math.min(end, Math.max(this.now + 1, Math.ceil(due)));
      for (const node of this.nodes) {
        if (node.replica.nextDeadline() <= this.now) node.hasInput = true;
      }
      this.settle();
    }
  }

  elect(): TestNode {
    this.settle();
    for (let tries = 0; this.leader === undefined && tries < 100; tries++) this.elapse(100);
    this.elapse(100);
    return this.leader;
  }
}
