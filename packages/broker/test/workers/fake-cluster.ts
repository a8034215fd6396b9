/**
 * A cluster without consensus: the real queue machine in one process, seen through any number of
 * nodes that implement `Broker`. Every write is applied at once, in order, and answered in a later
 * turn. A test decides who leads, and what becomes of a write or its answer.
 */
import { TqError } from "task-queue-protocol";
import type {
  Attached,
  Broker,
  Consistency,
  ListPage,
  MemberStatus,
  NodeStatus,
  Outcome,
  SessionChannel,
} from "../../src/operations/broker.ts";
import {
  type Command,
  type Delivery,
  type LeaseLostEvent,
  QueueMachine,
  type Reply,
  type TaskId,
  type TaskState,
  type TaskView,
  type Token,
} from "../../src/queue/index.ts";
import { add, copied, key } from "./fake-values.ts";

export { key } from "./fake-values.ts";

import { MachineReads } from "./machine-reads.ts";

interface Attachment {
  readonly node: FakeNode;
  readonly channel: SessionChannel;
  window: number;
}

interface Waiter {
  readonly id: string;
  readonly resolve: (view: TaskView | undefined) => void;
}

export class FakeCluster {
  readonly machine = new QueueMachine({ get: () => undefined });
  readonly nodes: FakeNode[] = [];
  readonly sessions = new Map<string, Attachment>();
  readonly finished: TaskId[] = [];
  leader: FakeNode | undefined;
  now = Date.now();
  /** Nodes that were added and do not vote yet, with how far they are behind. */
  readonly learners = new Map<string, { readonly address: string; lag: number }>();
  /** Told of each change of members or leader once it is made; what it throws is the answer. */
  onChange: (name: string) => void | Promise<void> = () => {};
  /** What it works with. */
  version = 1;
  #term = 3;
  #index = 0;
  #waiters: Waiter[] = [];
  readonly #appliedListeners = new Set<() => void>();

  constructor(nodes = 1) {
    for (let i = 1; i <= nodes; i++) this.nodes.push(new FakeNode(this, `n${i}`));
    this.leader = this.nodes[0];
  }

  get index(): number {
    return this.#index;
  }

  get term(): number {
    return this.#term;
  }

  get members(): readonly MemberStatus[] {
    const common = { healthy: true, version: "9.9.9", supports: { min: 1, max: 2 } };
    const voters = this.nodes.map(({ nodeId: id, address }): MemberStatus => {
      const role = this.leader?.nodeId === id ? "leader" : "follower";
      return { id, address, role, matchIndex: this.#index, lag: 0, ...common };
    });
    const learners = [...this.learners].map(([id, { address, lag }]): MemberStatus => {
      return { id, address, role: "learner", matchIndex: this.#index - lag, lag, ...common };
    });
    return [...voters, ...learners];
  }

  /** The version of the cluster, from 1 up to this one. */
  raise(to: number): void {
    for (let version = this.machine.version + 1; version <= to; version++) {
      this.machine.skip(++this.#index);
      this.machine.raise(version);
    }
  }

  /** How many listen for what is applied. */
  get listening(): number {
    return this.#appliedListeners.size;
  }

  /** Applies one command, hands out what may be leased, and tells the workers. */
  apply(command: Command): Reply {
    const reply = this.#commit(command);
    this.dispatch();
    return reply;
  }

  /** A new leader takes office; workers of the old one are told. */
  elect(node: FakeNode | undefined): void {
    this.leader = node;
    this.#term++;
    for (const [session, { node: old, channel }] of [...this.sessions]) {
      if (old === node) continue;
      this.sessions.delete(session);
      channel.leaderChanged(node?.address);
    }
  }

  dispatch(): void {
    for (const [session, { window }] of this.sessions) {
      const room = window - this.machine.leaseCount(session);
      const count = Math.min(room, this.machine.readyFor(session, room));
      if (count > 0) this.#commit({ type: "lease", session, count });
    }
  }

  waitFinished(id: TaskId, signal: AbortSignal, timeoutMs: number): Promise<TaskView | undefined> {
    return new Promise((resolve) => {
      const waiter: Waiter = { id: key(id), resolve };
      this.#waiters.push(waiter);
      const end = (): void => resolve(undefined);
      setTimeout(end, timeoutMs).unref();
      signal.addEventListener("abort", end, { once: true });
    });
  }

  onApplied(listener: () => void): () => void {
    this.#appliedListeners.add(listener);
    return () => this.#appliedListeners.delete(listener);
  }

  #commit(command: Command): Reply {
    this.#index++;
    const [reply] = this.machine.apply(this.#index, { at: this.now, commands: [command] });
    for (const listener of this.#appliedListeners) listener();
    this.#tellAll();
    return reply!;
  }

  #tellAll(): void {
    const deliveries = new Map<string, Delivery[]>();
    const losses = new Map<string, LeaseLostEvent[]>();
    const ended: string[] = [];
    for (const event of this.machine.events.splice(0)) {
      if (event.type === "leased") {
        const delivery = this.machine.delivery(event.slot, event.token);
        if (delivery?.kind === "ready") add(deliveries, event.session, delivery);
      } else if (event.type === "leaseLost") add(losses, event.session, event);
      else if (event.type === "sessionEnded") ended.push(event.session);
      else if (event.type === "finished") this.#noteFinished(event.id);
    }
    for (const [session, all] of deliveries) this.sessions.get(session)?.channel.deliver(all);
    for (const [session, all] of losses) this.sessions.get(session)?.channel.leaseLost(all);
    for (const session of ended) {
      this.sessions.get(session)?.channel.ended();
      this.sessions.delete(session);
    }
  }

  #noteFinished(id: TaskId): void {
    this.finished.push(id.slice());
    const view = this.machine.task(id);
    const woken = this.#waiters.filter((waiter) => waiter.id === key(id));
    this.#waiters = this.#waiters.filter((waiter) => waiter.id !== key(id));
    for (const { resolve } of woken) resolve(view);
  }
}

/**
 * What becomes of a write: applied and answered, applied without an answer, or this outcome
 * instead.
 */
export type Fate = "answer" | "silence" | Outcome;

export class FakeNode extends MachineReads implements Broker {
  readonly nodeId: string;
  readonly #cluster: FakeCluster;
  address = "";
  /** Every command that arrived, in order. */
  readonly commands: Command[] = [];
  /** Every barrier that was asked for. */
  readonly barriers: { consistency: Consistency; minIndex: number }[] = [];
  beats = 0;
  fate: (command: Command) => Fate = () => "answer";

  constructor(cluster: FakeCluster, nodeId: string) {
    super(cluster.machine);
    this.#cluster = cluster;
    this.nodeId = nodeId;
  }

  get applied(): number {
    return this.status().applied;
  }

  intakeClosed = false;

  get durability(): NodeStatus["durability"] {
    return this.status().durability;
  }

  status(): NodeStatus {
    const { leader, index } = this.#cluster;
    return {
      nodeId: this.nodeId,
      clusterId: "c0ffee",
      clusterVersion: this.#cluster.version,
      role: leader === this ? "leader" : "follower",
      term: this.#cluster.term,
      leader: leader === undefined ? undefined : { id: leader.nodeId, address: leader.address },
      applied: index,
      commit: index,
      effectHash: "0000000000000000",
      ready: leader !== undefined,
      reason: leader === undefined ? "there is no leader" : "",
      draining: false,
      durability: "single",
      members: this.#cluster.members,
    };
  }

  request(command: Command, done: (outcome: Outcome) => void): void {
    this.commands.push(command);
    const fate = this.fate(command);
    if (typeof fate === "object") {
      setImmediate(done, fate);
      return;
    }
    if (this.#cluster.leader === undefined) {
      setImmediate(done, { kind: "refused", code: "no_leader", message: "there is no leader" });
      return;
    }
    const reply = copied(this.#cluster.apply(command));
    const outcome: Outcome = { kind: "applied", reply, index: this.#cluster.index };
    if (fate === "answer") setImmediate(done, outcome);
  }

  async readBarrier(consistency: Consistency, minIndex = 0): Promise<number> {
    this.barriers.push({ consistency, minIndex });
    return this.#cluster.index;
  }

  hasCompleted(id: TaskId): boolean {
    return this.#cluster.machine.graphNode(id)?.state === "completed";
  }

  task(id: TaskId): TaskView | undefined {
    return this.#cluster.machine.task(id);
  }

  listLive(filter: object, after: TaskId | undefined, limit: number): ListPage {
    return this.#cluster.machine.listLive(filter, after, limit, 10_000);
  }

  async listFinished(
    filter: { state?: TaskState | undefined },
    before: TaskId | undefined,
    limit: number,
  ): Promise<ListPage> {
    const tasks = this.#cluster.finished
      .map((id) => this.#cluster.machine.task(id)!)
      .filter(({ state }) => filter.state === undefined || filter.state === state)
      .filter(({ id }) => before === undefined || key(id) < key(before))
      .sort((a, b) => (key(a.id) < key(b.id) ? 1 : -1));
    const page = tasks.slice(0, limit);
    return { tasks: page, next: tasks.length > limit ? page.at(-1)?.id : undefined };
  }

  clock(): number {
    return this.#cluster.now;
  }

  waitFinished(id: TaskId, timeoutMs: number, signal: AbortSignal): Promise<TaskView | undefined> {
    return this.#cluster.waitFinished(id, signal, timeoutMs);
  }

  feed() {
    return this.#cluster.machine.feed;
  }

  onApplied(listener: () => void): () => void {
    return this.#cluster.onApplied(listener);
  }

  async logLines(id: TaskId, after: number, limit: number) {
    return this.#cluster.machine.logLines(id, after, limit);
  }

  async backupPiece(id: string, offset: number) {
    const last = offset > 0;
    const bytes = new TextEncoder().encode(last ? "the rest" : id);
    return { offset, bytes, crc32: 7, sha256: last ? "5ea1" : undefined };
  }

  async compactState() {
    return { beforeBytes: 9, afterBytes: 4 };
  }

  async storageStats(): Promise<Readonly<Record<string, number>>> {
    return {};
  }

  addMember(peer: string): Promise<void> {
    return this.#change("add", ({ learners }) => {
      const [id = "", address = ""] = peer.split("@");
      if (learners.has(id)) throw new TqError("state_conflict", `${id} is a member already`);
      learners.set(id, { address, lag: 0 });
    });
  }

  promoteMember(id: string, force: boolean): Promise<void> {
    return this.#change("promote", (cluster) => {
      const learner = cluster.learners.get(id);
      if (learner === undefined) throw new TqError("not_found", `${id} is no learner`);
      if (learner.lag > 0 && !force) throw new TqError("state_conflict", `${id} is behind`);
      cluster.learners.delete(id);
      const node = new FakeNode(cluster, id);
      node.address = learner.address;
      cluster.nodes.push(node);
    });
  }

  removeMember(id: string, _force: boolean): Promise<void> {
    return this.#change("remove", ({ nodes, learners }) => {
      const at = nodes.findIndex(({ nodeId }) => nodeId === id);
      if (at >= 0) nodes.splice(at, 1);
      else if (!learners.delete(id)) throw new TqError("not_found", `${id} is no member`);
    });
  }

  transferLeadership(to: string | undefined): Promise<void> {
    return this.#change("transfer", (cluster) => {
      const { nodes } = cluster;
      cluster.elect(nodes.find(({ nodeId }) => (to ? nodeId === to : nodeId !== this.nodeId)));
    });
  }

  raiseVersion(to: number | undefined): Promise<void> {
    return this.#change("raise", (cluster) => {
      if ((to ?? 2) > 2) throw new TqError("state_conflict", `version ${to} is not known here`);
      cluster.version = to ?? 2;
    });
  }

  async #change(name: string, make: (cluster: FakeCluster) => void): Promise<void> {
    const { leader } = this.#cluster;
    if (leader !== this) throw new TqError("no_leader", `${leader?.nodeId ?? "nobody"} leads`);
    make(this.#cluster);
    await this.#cluster.onChange(name);
  }

  attach(session: string, held: readonly Token[], channel: SessionChannel): Attached | undefined {
    const { machine, sessions, leader } = this.#cluster;
    if (leader !== this) return undefined;
    sessions.set(session, { node: this, channel, window: 0 });
    const leases = machine.leases(session);
    const again: Delivery[] = [];
    for (const { slot, token } of leases) {
      const delivery = held.includes(token) ? undefined : machine.delivery(slot, token);
      if (delivery?.kind === "ready") again.push(delivery);
    }
    if (again.length > 0) channel.deliver(again);
    const live = new Set(leases.map(({ token }) => token));
    return { lost: held.filter((token) => !live.has(token)), leaseMs: 30_000 };
  }

  detach(session: string, channel: SessionChannel): void {
    if (this.#cluster.sessions.get(session)?.channel === channel) {
      this.#cluster.sessions.delete(session);
    }
  }

  setWindow(session: string, window: number): void {
    const attachment = this.#cluster.sessions.get(session);
    if (attachment === undefined) return;
    attachment.window = window;
    this.#cluster.dispatch();
  }

  sessionRequest(_session: string, command: Command, done: (outcome: Outcome) => void): void {
    this.request(command, done);
  }

  beat(session: string): void {
    this.beats++;
    this.#cluster.apply({ type: "renew", sessions: [session] });
    setImmediate(() => this.#cluster.sessions.get(session)?.channel.renewed());
  }
}
