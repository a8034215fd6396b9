/**
 * A cluster under bad weather, by seed: messages are lost, repeated and overtaken, disks confirm
 * late, processes crash and lose what was not on disk, or stall. After every step the promises of
 * Raft (Figure 3.2) are checked against what an observer who sees everything has written down.
 */
import {
  DEFAULTS,
  type Entry,
  type EntryId,
  type LogRead,
  type Message,
  type PersistBatch,
  Raft,
  type RaftOptions,
} from "../src/index.ts";
import { bytes, Disk, decodeMembership } from "./disk.ts";

export interface Weather {
  readonly lossRate: number;
  readonly duplicateRate: number;
  readonly delayMaxMs: number;
  readonly diskMaxMs: number;
  /** Per node and step of 5 ms. */
  readonly crashRate: number;
  readonly stallRate: number;
  readonly partitionRate: number;
  /** A node is told that a peer's control stream closed or opened, true or not. */
  readonly streamRate: number;
}

export const FAIR: Weather = {
  lossRate: 0,
  duplicateRate: 0,
  delayMaxMs: 5,
  diskMaxMs: 5,
  crashRate: 0,
  stallRate: 0,
  partitionRate: 0,
  streamRate: 0,
};

interface Node {
  readonly id: string;
  readonly disk: Disk;
  raft: Raft | undefined;
  /** Applied in memory, and on disk: where a restart begins. */
  applied: number;
  appliedOnDisk: number;
  upAt: number;
  readonly reads: Map<number, number>;
  /** Counts processes: what was meant for one must not reach the next. */
  life: number;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const STEP_MS = 5;

export class Simulation {
  readonly nodes: Node[];
  weather: Weather;
  now = 0;
  proposed = 0;
  readsAnswered = 0;
  /** Every entry that some node has reported as committed. */
  readonly committed: Entry[] = [];
  /** The term of the node that reported it first. */
  readonly #committedIn: number[] = [];
  readonly leaders = new Map<number, string>();
  readonly #votes = new Map<string, string>();
  readonly #random: () => number;
  readonly #settings: Partial<RaftOptions>;
  #events: Event[] = [];
  #order = 0;
  #cut = new Set<string>();

  constructor(seed: number, size: number, weather: Weather, settings: Partial<RaftOptions> = {}) {
    this.#random = randomFrom(seed);
    this.weather = weather;
    this.#settings = settings;
    const voters = Array.from({ length: size }, (_, at) => `n${at + 1}`);
    this.nodes = voters.map((id) => {
      const disk = new Disk({ voters, learners: [] });
      const counts = { applied: 0, appliedOnDisk: 0, upAt: 0, life: 0 };
      return { id, disk, raft: undefined, reads: new Map(), ...counts };
    });
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
    for (const node of this.nodes) node.upAt = Math.min(node.upAt, this.now);
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
    if (this.#chance(0.02)) node.appliedOnDisk = Math.min(node.applied, raft.durableIndex);
    this.#ready(node);
  }

  #someInput(node: Node, raft: Raft): void {
    if (this.#chance(0.6)) raft.propose(bytes(`p${++this.proposed}`));
    else node.reads.set(raft.requestRead(), this.committed.length);
  }

  #someStream(raft: Raft): void {
    const peer = this.nodes[Math.floor(this.#random() * this.nodes.length)]!.id;
    if (this.#chance(0.5)) raft.peerDisconnected(peer);
    else raft.peerConnected(peer);
  }

  #start(node: Node): void {
    node.life++;
    node.applied = node.appliedOnDisk;
    node.reads.clear();
    // Somewhere at or below what is applied, as a real store would have it.
    node.raft = new Raft({
      ...DEFAULTS,
      ...this.#settings,
      ...node.disk.recover(Math.floor(this.#random() * (node.applied + 1))),
      id: node.id,
      decodeMembership,
      applied: node.applied,
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
      for (const entry of ready.committed) this.#apply(node, entry, raft.term);
      for (const { id, index } of ready.reads) this.#answerRead(node, id, index);
      for (const read of ready.logReads) this.#serveLog(node, read);
      if (raft.role === "leader") this.#checkLeader(node, raft);
    }
  }

  #write(node: Node, batch: PersistBatch): void {
    node.disk.write(batch);
    const { life } = node;
    const at = this.#upTo(this.weather.diskMaxMs);
    this.#after(at, () => this.#written(node, life, batch));
  }

  /** The disk takes batches in order; a later one that is done early confirms the ones before. */
  #written(node: Node, life: number, batch: PersistBatch): void {
    if (node.life !== life || node.raft === undefined) return;
    if (this.#settings.commitBy === "match") {
      // A process that dies loses nothing that was handed over, only a machine does.
      this.#confirm(node, batch.seq, false);
      this.#after(this.#upTo(50), () => {
        if (node.life === life && node.raft !== undefined) node.raft.persisted(batch.seq, true);
      });
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
    const { life } = node;
    this.#after(this.#upTo(this.weather.diskMaxMs / 2), () => {
      if (node.life !== life || node.raft === undefined) return;
      node.raft.persisted(seq, isDurable);
      for (const { messages } of done) for (const message of messages) this.#send(node, message);
      this.#ready(node);
    });
  }

  #send(node: Node, message: Message): void {
    this.#checkSpoken(node, message);
    if (this.#chance(this.weather.lossRate)) return;
    const copies = this.#chance(this.weather.duplicateRate) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      // Now and then one is very late.
      const stretch = this.#chance(0.02) ? 20 : 1;
      this.#after(this.#upTo(this.weather.delayMaxMs) * stretch, () => this.#deliver(message));
    }
  }

  #deliver(message: Message): void {
    if (this.#cut.has(message.from) !== this.#cut.has(message.to)) return;
    const node = this.nodes.find(({ id }) => id === message.to)!;
    // A stalled process finds its messages later, a dead one never.
    if (node.raft === undefined) return;
    if (node.upAt > this.now) {
      this.#after(node.upAt - this.now + 1, () => this.#deliver(message));
      return;
    }
    node.raft.step(message);
    if (!this.#chance(0.3)) this.#ready(node);
  }

  #serveLog(node: Node, { to, from }: LogRead): void {
    const { life } = node;
    this.#after(this.#upTo(this.weather.diskMaxMs), () => {
      if (node.life !== life || node.raft === undefined) return;
      node.raft.provideLog({ to, ...node.disk.read(from, 3) });
      this.#ready(node);
    });
  }

  #repartition(): void {
    this.#cut = new Set(this.nodes.filter(() => this.#chance(0.3)).map(({ id }) => id));
  }

  // ---- what must hold ----

  /** State machine safety: what is applied at an index is the same everywhere, for ever. */
  #apply(node: Node, entry: Entry, term: number): void {
    if (entry.index !== node.applied + 1) {
      throw new Error(`${node.id} applies ${entry.index} after ${node.applied}`);
    }
    node.applied = entry.index;
    const known = this.committed[entry.index - 1];
    if (known === undefined) {
      this.committed.push(entry);
      this.#committedIn.push(term);
    } else if (!isSame(known, entry)) {
      throw new Error(`${node.id} applies another ${entry.index}`);
    }
  }

  /**
   * Election safety, and leader completeness: a leader has all that was committed in earlier terms.
   * Late votes may well make a leader of a term that others have left behind; it can do no harm.
   */
  #checkLeader(node: Node, raft: Raft): void {
    const known = this.leaders.get(raft.term);
    if (known === node.id) return;
    if (known !== undefined) throw new Error(`${known} and ${node.id} lead term ${raft.term}`);
    this.leaders.set(raft.term, node.id);
    this.committed.forEach((entry, at) => {
      if (this.#committedIn[at]! >= raft.term) return;
      const own = node.disk.current[at];
      if (own === undefined || !isSame(own, entry)) {
        throw new Error(`leader ${node.id} of term ${raft.term} lacks entry ${entry.index}`);
      }
    });
  }

  /** Nobody says what its disk would not repeat after a crash; and nobody votes twice. */
  #checkSpoken(node: Node, message: Message): void {
    if (message.type === "preVote") return;
    const { hardState, durable } = node.disk;
    if (message.term > hardState.term) {
      throw new Error(`${node.id} speaks for term ${message.term}, on disk is ${hardState.term}`);
    }
    if (message.type === "appendReply" && message.term === hardState.term) {
      const reached = this.#settings.commitBy === "match" ? message.match : message.durable;
      if (reached > durable.length) throw new Error(`${node.id} acknowledges what it may lose`);
    }
    const voted = message.type === "voteReply" && message.granted ? message.to : undefined;
    const stands = message.type === "vote" ? message.from : undefined;
    const vote = voted ?? stands;
    if (vote === undefined) return;
    const key = `${node.id} in ${message.term}`;
    const known = this.#votes.get(key) ?? vote;
    if (known !== vote) throw new Error(`${key} votes for ${known} and ${vote}`);
    this.#votes.set(key, vote);
  }

  /** Reads see everything that was committed when they were asked. */
  #answerRead(node: Node, id: number, index: number | undefined): void {
    const asked = node.reads.get(id);
    if (asked === undefined) throw new Error(`${node.id} got an answer to ${id}, never asked`);
    node.reads.delete(id);
    if (index === undefined) return;
    this.readsAnswered++;
    if (index < asked) throw new Error(`${node.id} read at ${index}, ${asked} were committed`);
  }

  /** Log matching: the same index and term means the same entry and the same past. */
  checkLogs(): void {
    for (const a of this.nodes) {
      for (const b of this.nodes) {
        const last = Math.min(a.disk.current.length, b.disk.current.length);
        let agree = false;
        for (let at = last - 1; at >= 0; at--) {
          const [x, y] = [a.disk.current[at]!, b.disk.current[at]!];
          agree ||= x.term === y.term;
          if (agree && !isSame(x, y)) throw new Error(`${a.id}, ${b.id} differ at ${at + 1}`);
        }
      }
    }
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

function isSame(a: Entry, b: Entry): boolean {
  return a.term === b.term && a.kind === b.kind && a.data.join() === b.data.join();
}

/** Mulberry32: small, seedable, good enough to stir a schedule. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
