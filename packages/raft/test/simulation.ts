/**
 * A cluster under bad weather, by seed: messages are lost, repeated and overtaken, disks confirm
 * late, processes crash and lose what was not on disk, or stall; logs are compacted, snapshots
 * fetched, members come and go, the office is handed around. An observer checks every step.
 */
import {
  DEFAULTS,
  type EntryId,
  type LogRead,
  type Membership,
  type Message,
  type PersistBatch,
  Raft,
  type RaftOptions,
  type SnapshotFetch,
  type SnapshotId,
} from "../src/index.ts";
import { bytes, Disk, decodeMembership, encodeMembership } from "./disk.ts";
import { knows, type Node, newNode } from "./node.ts";
import { Observer } from "./observer.ts";
import { randomChange } from "./operator.ts";
import { FAIR, randomFrom, type Weather } from "./weather.ts";

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const STEP_MS = 5;
const RESIGNATIONS_PER_TRANSFER = 0.5;
const ANSWERS = ["preVoteReply", "voteReply", "appendReply", "heartbeatReply", "readIndexReply"];
/** These may come from an earlier incarnation, or reach a later one; a transport drops the rest. */
const HARMLESS = ["appendReply", "heartbeatReply"];

export class Simulation {
  readonly nodes: Node[];
  readonly observer: Observer;
  weather: Weather;
  now = 0;
  proposed = 0;
  /** How often something rare has happened: a run without it has shown nothing about it. */
  readonly situations = new Map<string, number>();
  readonly #random: () => number;
  readonly #settings: Partial<RaftOptions>;
  #events: Event[] = [];
  #order = 0;
  #cut = new Set<string>();

  /** The first `size` of `available` nodes found the cluster. */
  constructor(
    seed: number,
    size: number,
    weather: Weather,
    settings: Partial<RaftOptions> = {},
    available = size,
  ) {
    this.#random = randomFrom(seed);
    this.weather = weather;
    this.#settings = settings;
    const ids = Array.from({ length: available }, (_, at) => `n${at + 1}`);
    const founders = { voters: ids.slice(0, size), learners: [] };
    this.observer = new Observer(founders, settings.commitBy ?? DEFAULTS.commitBy);
    this.nodes = ids.map((id, at) => newNode(id, founders, at < size));
  }

  run(ms: number): void {
    const end = this.now + ms;
    while (this.now < end) this.step();
  }

  step(): void {
    this.now += STEP_MS;
    if (this.#chance(this.weather.partitionRate)) this.#repartition();
    for (const node of this.nodes) this.#liveOn(node);
    const due = this.#events.filter((event) => event.at <= this.now);
    if (due.length === 0) return;
    this.#events = this.#events.filter((event) => event.at > this.now);
    due.sort((a, b) => a.at - b.at || a.order - b.order);
    for (const event of due) event.run();
  }

  /** Ends all partitions and faults, and starts everyone. */
  heal(): void {
    this.weather = FAIR;
    this.#cut.clear();
    for (const node of this.nodes) {
      if (node.life > 0) node.upAt = Math.min(node.upAt, this.now);
    }
  }

  leader(): Node | undefined {
    const leaders = this.nodes.filter((node) => node.raft?.role === "leader");
    return leaders.sort((a, b) => b.raft!.term - a.raft!.term)[0];
  }

  propose(node: Node): EntryId | undefined {
    const id = node.raft?.propose(bytes(`p${++this.proposed}`));
    this.#ready(node);
    return typeof id === "object" ? id : undefined;
  }

  #liveOn(node: Node): void {
    if (node.upAt > this.now) return;
    if (node.raft === undefined) this.#start(node);
    if (this.#chance(this.weather.crashRate)) {
      this.#crash(node);
      return;
    }
    if (this.#chance(this.weather.stallRate)) {
      node.upAt = this.now + this.#upTo(3000);
      return;
    }
    const raft = node.raft!;
    if (raft.nextDeadline() <= this.now || this.#chance(0.2)) raft.tick(this.now);
    if (this.#chance(0.1)) this.#someInput(node, raft);
    if (this.#chance(this.weather.streamRate)) this.#someStream(raft);
    if (this.#chance(0.02) && node.applied.index <= raft.durableIndex) {
      node.disk.flush(node.applied);
    }
    if (this.#chance(this.weather.compactRate)) this.#compact(node, raft);
    if (this.#chance(this.weather.compactRate / 20)) {
      // One that was fetched long ago, for whatever reason.
      const { flushed } = this.#someNode().disk;
      if (flushed.index > 0) this.#restore(node, flushed);
    }
    if (raft.role === "leader") this.#command(raft);
    this.#ready(node);
  }

  #someInput(node: Node, raft: Raft): void {
    if (this.#chance(0.6)) raft.propose(bytes(`p${++this.proposed}`));
    else node.reads.set(raft.requestRead(), this.observer.committed.length);
  }

  #someStream(raft: Raft): void {
    const peer = this.#someNode().id;
    if (this.#chance(0.5)) raft.peerDisconnected(peer);
    else raft.peerConnected(peer);
  }

  /** Up to anywhere that the flushed state covers; a restart must be possible from there. */
  #compact({ disk }: Node, raft: Raft): void {
    const { base } = disk.durable;
    const upTo = disk.flushed.index - Math.floor(this.#upTo(4));
    if (upTo <= base.index) return;
    raft.compacted(upTo);
    disk.compact(upTo);
  }

  // ---- members and leadership ----

  #command(raft: Raft): void {
    const { transferRate } = this.weather;
    const roll = this.#random();
    if (roll < transferRate) {
      if (raft.transferLeadership(this.#someNode().id) === "started") this.#note("transfer");
    } else if (roll < transferRate * (1 + RESIGNATIONS_PER_TRANSFER)) {
      this.#note(raft.transferee === undefined ? "resigned" : "resigned in a transfer");
      raft.resign();
      return;
    }
    if (!this.#chance(this.weather.changeRate)) return;
    const everybody = this.nodes.map(({ id }) => id);
    const next = randomChange(raft.membership, everybody, this.#random);
    const before = raft.membership;
    const id = raft.proposeMembership(encodeMembership(next));
    if (typeof id === "string") {
      this.#note(id);
      return;
    }
    this.#note("change");
    if (!next.voters.includes(raft.id)) this.#note("a leader leaves itself out");
    for (const node of this.nodes) this.#mayJoin(node, before, next, id);
  }

  /** Who is new starts with an empty disk, unless it was there before and has kept it. */
  #mayJoin(node: Node, before: Membership, next: Membership, by: EntryId): void {
    const isIn = ({ voters, learners }: Membership) => [...voters, ...learners].includes(node.id);
    if (isIn(before) || !isIn(next)) return;
    if (node.life === 0) {
      this.#note("a new node joins");
    } else if (this.weather.wipesDisks) {
      this.#note("a wiped node joins again");
      node.incarnation++;
      node.joinedBy = by;
    } else {
      this.#note("a node joins again");
      return;
    }
    node.life++;
    node.toldUpTo = by.index;
    node.raft = undefined;
    node.disk = new Disk(next);
    node.applied = node.disk.flushed;
    node.reads.clear();
    node.upAt = this.now + this.#upTo(1000);
  }

  // ---- processes and disks ----

  #start(node: Node): void {
    node.life++;
    node.applied = node.disk.flushed;
    node.isFetching = false;
    node.reads.clear();
    // Somewhere at or below what is applied, as a real store would have it.
    node.raft = new Raft({
      ...DEFAULTS,
      ...this.#settings,
      ...node.disk.recover(Math.floor(this.#random() * (node.applied.index + 1))),
      id: node.id,
      decodeMembership,
      applied: node.applied.index,
      random: this.#random,
      now: this.now,
    });
  }

  #crash(node: Node): void {
    node.raft = undefined;
    // Some of what was on its way to the disk has arrived, without having been confirmed.
    node.disk.complete(Math.floor(this.#random() * (node.disk.pending + 1)), true);
    node.disk.crash();
    node.upAt = this.now + this.#upTo(2000);
  }

  #ready(node: Node): void {
    const { raft } = node;
    if (raft === undefined) return;
    while (raft.hasReady()) {
      const ready = raft.takeReady();
      for (const message of ready.messages) this.#send(node, message);
      if (ready.persist !== undefined) this.#write(node, ready.persist);
      for (const entry of ready.committed) this.observer.applied(node, entry, raft.term);
      for (const { id, index } of ready.reads) this.#answerRead(node, id, index);
      for (const read of ready.logReads) this.#serveLog(node, read);
      if (ready.snapshotFetch !== undefined) this.#fetch(node, ready.snapshotFetch);
      if (raft.role === "leader") this.observer.leads(node, raft);
    }
  }

  #write(node: Node, batch: PersistBatch): void {
    node.disk.write(batch);
    this.#later(node, this.#upTo(this.weather.diskMaxMs), () => this.#written(node, batch));
  }

  /** The disk takes batches in order; a later one that is done early confirms the ones before. */
  #written(node: Node, batch: PersistBatch): void {
    if (this.#settings.commitBy === "match") {
      // A process that dies loses nothing that was handed over, only a machine does.
      this.#confirm(node, batch.seq, false);
      this.#later(node, this.#upTo(50), () => node.raft!.persisted(batch.seq, true));
    } else {
      this.#confirm(node, batch.seq, true);
    }
  }

  #confirm(node: Node, seq: number, isDurable: boolean): void {
    const done: PersistBatch[] = [];
    while (node.disk.nextSeq !== undefined && node.disk.nextSeq <= seq) {
      done.push(...node.disk.complete(1, true));
    }
    // On disk, but the process does not know yet: a crash may come in between.
    this.#later(node, this.#upTo(this.weather.diskMaxMs / 2), () => {
      node.raft!.persisted(seq, isDurable);
      for (const { messages } of done) for (const message of messages) this.#send(node, message);
      this.#ready(node);
    });
  }

  #serveLog(node: Node, { to, from }: LogRead): void {
    const found = this.#chance(0.5) ? node.disk.read(from, 3) : undefined;
    this.#later(node, this.#upTo(this.weather.diskMaxMs), () => {
      const { prev, entries } = found ?? node.disk.read(from, 3);
      if (entries.length === 0) this.#note("a log read finds nothing");
      node.raft!.provideLog({ to, prev, entries });
      this.#ready(node);
    });
  }

  // ---- snapshots ----

  /** Takes a while, and the source may be gone, behind, or cut off. */
  #fetch(node: Node, { index, sources }: SnapshotFetch): void {
    if (node.isFetching) return;
    node.isFetching = true;
    const source = sources[Math.floor(this.#upTo(sources.length))];
    const from = this.nodes.find(({ id }) => id === source);
    this.#later(node, this.#upTo(this.weather.delayMaxMs * 2), () => {
      const isReached =
        from!.raft !== undefined && from!.upAt <= this.now && this.#joined(from!, node);
      const found = isReached ? from!.disk.flushed : undefined;
      this.#later(node, this.#upTo(this.weather.delayMaxMs * 10), () => {
        node.isFetching = false;
        if (found === undefined || found.index < index || this.#chance(0.1)) return;
        if (from!.raft?.role !== "leader") this.#note("a follower is the source");
        this.#restore(node, found);
      });
    });
  }

  #restore(node: Node, snapshot: SnapshotId): void {
    const { commit, lastIndex, role } = node.raft!;
    if (node.raft!.restore(snapshot)) {
      this.#note("restore");
      if (lastIndex >= snapshot.index) this.#note("a conflicting log is replaced");
      if (snapshot.membership !== node.applied.membership) this.#note("with another membership");
      this.observer.restored(node, snapshot);
      node.disk.stage(snapshot);
    } else if (commit >= snapshot.index || role === "leader") {
      this.#note("a snapshot comes too late");
    } else {
      this.#note(node.raft!.commit > commit ? "a suffix is kept" : "a snapshot is not vouched for");
    }
    this.#ready(node);
  }

  // ---- the network ----

  #send(node: Node, message: Message): void {
    this.observer.spoken(node, message);
    if (this.#chance(this.weather.lossRate)) return;
    const to = this.nodes.find(({ id }) => id === message.to)!;
    // Meant for the incarnation that the sender's own membership lists, not for its successor.
    if (!ANSWERS.includes(message.type) && !knows(node, to)) {
      this.#note("a message is for an earlier incarnation");
      return;
    }
    const [ours, theirs] = [node.incarnation, to.incarnation];
    const copies = this.#chance(this.weather.duplicateRate) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      // Now and then one is very late.
      const stretch = this.#chance(0.02) ? 20 : 1;
      this.#after(this.#upTo(this.weather.delayMaxMs) * stretch, () => {
        const isOld = node.incarnation !== ours || to.incarnation !== theirs;
        if (!isOld || HARMLESS.includes(message.type)) this.#deliver(node, to, message);
      });
    }
  }

  #deliver(from: Node, to: Node, message: Message): void {
    // A stalled process finds its messages later, a dead one never.
    if (!this.#joined(from, to) || to.raft === undefined) return;
    if (to.upAt > this.now) {
      this.#after(to.upAt - this.now + 1, () => this.#deliver(from, to, message));
      return;
    }
    if (message.type === "timeoutNow") this.#note("asked to campaign");
    to.raft.step(message);
    if (!this.#chance(0.3)) this.#ready(to);
  }

  #joined(a: Node, b: Node): boolean {
    return this.#cut.has(a.id) === this.#cut.has(b.id);
  }

  #repartition(): void {
    this.#cut = new Set(this.nodes.filter(() => this.#chance(0.3)).map(({ id }) => id));
  }

  #answerRead(node: Node, id: number, index: number | undefined): void {
    const asked = node.reads.get(id);
    if (asked === undefined) throw new Error(`${node.id} got an answer to ${id}, never asked`);
    node.reads.delete(id);
    if (index !== undefined) this.observer.answered(node, asked, index);
  }

  #note(situation: string): void {
    this.situations.set(situation, (this.situations.get(situation) ?? 0) + 1);
  }

  #someNode(): Node {
    return this.nodes[Math.floor(this.#random() * this.nodes.length)]!;
  }

  /** What comes after `ms`, if this process of the node is still there then. */
  #later(node: Node, ms: number, run: () => void): void {
    const { life } = node;
    this.#after(ms, () => {
      if (node.life === life && node.raft !== undefined) run();
    });
  }

  #after(ms: number, run: () => void): void {
    this.#events.push({ at: this.now + ms, order: this.#order++, run });
  }

  #chance(rate: number): boolean {
    return this.#random() < rate;
  }

  #upTo(max: number): number {
    return this.#random() * max;
  }
}
