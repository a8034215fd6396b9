/**
 * Plays a transcript: stanzas of commands, a dashed line, and all that came of them. The file holds
 * input and output alike; `npx vitest run packages/raft -u` rewrites the output. Every Ready is
 * printed in full at once, messages wait in the network until `deliver`, batches at the disk until
 * `persist`; `stabilize` does both until nothing moves.
 *
 * State goes as far as entries were printed as committed. `quiet` before a command hides what comes
 * of it. Node k draws the fraction (k-1)/10 for its timeouts: 1000 ms, 1100 ms, 1200 ms and so on.
 */

import { readyParts } from "../src/describe.ts";
import {
  DEFAULTS,
  describeId,
  describeMessage,
  describeStatus,
  type Message,
  Raft,
  type RaftOptions,
  type SnapshotId,
} from "../src/index.ts";
import { bytes, Disk, decodeMembership, encodeMembership } from "./disk.ts";
import {
  type Arguments,
  appliedNext,
  describeLog,
  entryOf,
  membershipOf,
  messageOf,
} from "./transcript-words.ts";

interface Node {
  readonly id: string;
  disk: Disk;
  raft: Raft | undefined;
  now: number;
  starts: number;
  /** What it has applied. */
  applied: SnapshotId;
  /** The leader's requests for entries from disk, not yet served. */
  reads: { to: string; from: number }[];
}

const ROUNDS_MAX = 100;
const RUN_STEP_MS = 50;

/** Runs all commands of `text` and returns it with the outputs of this run. */
export function play(text: string): string {
  const cluster = new Transcript();
  const stanzas = text.trim().split(/\n\n+/);
  return `${stanzas.map((stanza) => cluster.stanza(stanza)).join("\n\n")}\n`;
}

class Transcript {
  readonly #nodes = new Map<string, Node>();
  #network: Message[] = [];
  #cut = new Set<string>();
  #settings: Partial<RaftOptions> = {};
  #out: string[] = [];

  stanza(stanza: string): string {
    const input = stanza.split("\n----")[0] ?? "";
    const lines = input.split("\n").filter((line) => !line.startsWith("#"));
    this.#out = [];
    for (const line of lines) this.#run(line);
    if (lines.length === 0) return input;
    return `${input}\n----\n${this.#out.length === 0 ? "ok" : this.#out.join("\n")}`;
  }

  #run(line: string): void {
    if (line.startsWith("quiet ")) {
      const printed = this.#out;
      this.#out = [];
      this.#run(line.slice("quiet ".length));
      this.#out = printed;
      return;
    }
    const [name = "", ...rest] = line.split(" ");
    const args = new Map(rest.map((word) => word.split("=", 2) as [string, string]));
    const onNode = this.#onNode[name];
    if (onNode !== undefined) {
      const ids = args.get("id")?.split(",") ?? [...this.#nodes.keys()];
      for (const id of ids) onNode(this.#node(id), args);
      return;
    }
    const onCluster = this.#onCluster[name];
    if (onCluster === undefined) throw new Error(`unknown command: ${line}`);
    onCluster(args);
  }

  readonly #onCluster: Record<string, (args: Arguments) => void> = {
    cluster: (args) => this.#cluster(args),
    /** Filters: from, to, type, count; `drop` loses what is chosen, `keep` leaves a copy. */
    deliver: (args) => this.#deliver(args),
    /** `slow=1,2`: these disks confirm nothing. */
    stabilize: (args) => this.#stabilize(args),
    /** Lets `ms` pass for all that are up, and everything happen that then does. */
    run: (args) => this.#runFor(Number(args.get("ms"))),
    heal: () => this.#cut.clear(),
    /** Puts a message on the network that nobody has sent, such as `type=vote term=2 last=1/3`. */
    inject: (args) => this.#network.push(messageOf(args)),
    network: () => {
      for (const message of this.#network) this.#say(describeMessage(message));
    },
  };

  /** For each of `id=1,2`, or for all. */
  readonly #onNode: Record<string, (node: Node, args: Arguments) => void> = {
    /** Moves clocks by `ms`, from deadline to deadline; with `stall` in one jump. */
    tick: (node, args) => this.#tick(node, args),
    /** Moves the clock of a node to the moment at which it campaigns. */
    campaign: (node) => this.#tickTo(node, raftOf(node).nextDeadline()),
    /** Makes a node the leader and waits until all is quiet, without printing. */
    elect: (node) => {
      for (const line of [`campaign id=${node.id}`, "stabilize"]) this.#run(`quiet ${line}`);
    },
    /** `data=x,y` proposes both in one turn. */
    propose: (node, args) => this.#propose(node, args.get("data") ?? ""),
    read: (node, args) => {
      for (let left = Number(args.get("count") ?? 1); left > 0; left--) {
        this.#say(`${node.id} asks: read ${raftOf(node).requestRead()}`);
      }
      this.#ready(node);
    },
    /** `count=1`: only the oldest batch; `written`: handed over, not fsynced. */
    persist: (node, args) => this.#persist(node, args),
    /** `count=2`: as many entries at most. */
    "serve-log": (node, args) => this.#serveLog(node, args),
    /** `to=2`: somebody there waits for what is committed here. */
    announce: (node, args) => {
      raftOf(node).announceCommit(args.get("to") ?? "");
      this.#ready(node);
    },
    isolate: (node) => this.#cut.add(node.id),
    disconnect: (node, args) => raftOf(node).peerDisconnected(args.get("peer") ?? ""),
    connect: (node, args) => raftOf(node).peerConnected(args.get("peer") ?? ""),
    crash: (node) => {
      node.raft = undefined;
      node.disk.crash();
    },
    restart: (node, args) => {
      this.#start(node, Number(args.get("applied") ?? node.disk.flushed.index));
    },
    /** Starts a node that was given this membership, with nothing on its disk. */
    join: (node, args) => {
      node.disk = new Disk(membershipOf(args));
      this.#start(node, 0);
    },
    /** `voters=1,2 learners=3` proposes a membership. */
    change: (node, args) => {
      const id = raftOf(node).proposeMembership(encodeMembership(membershipOf(args)));
      if (typeof id === "string") this.#say(`${node.id} ${id}`);
      this.#ready(node);
    },
    transfer: (node, args) => {
      this.#say(`${node.id} ${raftOf(node).transferLeadership(args.get("to") ?? "")}`);
      this.#ready(node);
    },
    "stop-campaigning": (node) => raftOf(node).setCampaigning(false),
    "may-campaign": (node) => raftOf(node).setCampaigning(true),
    resign: (node) => {
      raftOf(node).resign();
      this.#ready(node);
    },
    /** `to=5`: writes the applied state and drops the entries that it covers, up to this one. */
    compact: (node, args) => {
      const base = Number(args.get("to"));
      node.disk.flush(node.applied);
      raftOf(node).compacted(base);
      node.disk.compact(base);
      this.#ready(node);
    },
    /** `to=5`: the disk alone does it, and the node has not been told yet. */
    "disk-compact": (node, args) => {
      node.disk.flush(node.applied);
      node.disk.compact(Number(args.get("to")));
    },
    /** A snapshot of the state `from` another node has come; `at=1/2`: an older one. */
    restore: (node, args) => {
      const { applied } = this.#node(args.get("from") ?? "");
      const [term, index] = args.get("at")?.split("/").map(Number) ?? [];
      this.#restore(node, {
        ...applied,
        term: term ?? applied.term,
        index: index ?? applied.index,
      });
    },
    log: ({ id, disk }) => this.#say(`${id}: ${describeLog(disk)}`),
    members: (node) => {
      const { voters, learners } = raftOf(node).membership;
      this.#say(`${node.id}: voters=${voters} learners=${learners}`);
    },
    status: (node) => this.#say(describeStatus(raftOf(node))),
    progress: (node) => {
      for (const { id, match, durable, lastContactMs, snapshotIndex } of raftOf(node).status()) {
        const silentMs = node.now - lastContactMs;
        const waits = snapshotIndex === undefined ? "" : ` snapshot=${snapshotIndex}`;
        this.#say(`${id} match=${match} durable=${durable} silent=${silentMs}${waits}`);
      }
    },
  };

  #cluster(args: Arguments): void {
    this.#nodes.clear();
    this.#network = [];
    this.#cut.clear();
    const settings: Record<string, number | string> = {};
    for (const [name, value] of args) {
      if (name in DEFAULTS) settings[name] = name === "commitBy" ? value : Number(value);
    }
    this.#settings = settings as Partial<RaftOptions>;
    const ids = Array.from({ length: Number(args.get("nodes")) }, (_, at) => String(at + 1));
    const learners = args.get("learners")?.split(",") ?? [];
    // These have no part in the cluster yet; they may `join`.
    const absent = args.get("absent")?.split(",") ?? [];
    const voters = ids.filter((id) => !learners.includes(id) && !absent.includes(id));
    const membership = { voters, learners };
    for (const id of ids) {
      const disk = new Disk(membership);
      const none = { raft: undefined, now: 0, starts: 0, reads: [] };
      this.#nodes.set(id, { id, disk, applied: disk.flushed, ...none });
    }
    // `log2=1,1,2` gives node 2 a log with entries of these terms, `term2=3` a later term;
    // `2(123/4)` is an entry of term 2 that brings the voters 1, 2, 3 and the learner 4.
    for (const [id, node] of this.#nodes) {
      const entries = args.get(`log${id}`)?.split(",").map(entryOf) ?? [];
      node.disk.found(entries, Number(args.get(`term${id}`) ?? entries.at(-1)?.term ?? 0));
      if (!absent.includes(id)) this.#start(node, 0);
    }
  }

  #start(node: Node, applied: number): void {
    const fraction = (Number(node.id) - 1) / 10;
    const starts = node.starts++;
    let draws = 0;
    node.reads = [];
    const { durable } = node.disk;
    node.applied = { ...durable.idAt(applied), membership: durable.membershipAt(applied) };
    node.raft = new Raft({
      ...DEFAULTS,
      commitDelayMs: 0,
      ...this.#settings,
      ...node.disk.recover(applied),
      id: node.id,
      decodeMembership,
      applied,
      // The first draw is the base of the read ids.
      random: () => (draws++ === 0 ? starts / 2 ** 31 : fraction),
      now: node.now,
    });
    this.#ready(node);
  }

  #tick(node: Node, args: Arguments): void {
    const end = node.now + Number(args.get("ms"));
    while (!args.has("stall") && raftOf(node).nextDeadline() < end) {
      this.#tickTo(node, raftOf(node).nextDeadline());
    }
    this.#tickTo(node, end);
  }

  #runFor(ms: number): void {
    for (let left = ms; left > 0; left -= RUN_STEP_MS) {
      const up = [...this.#nodes.values()].filter(({ raft }) => raft !== undefined);
      for (const node of up) this.#tickTo(node, node.now + Math.min(left, RUN_STEP_MS));
      this.#stabilize(new Map());
    }
  }

  #tickTo(node: Node, now: number): void {
    node.now = now;
    raftOf(node).tick(now);
    this.#ready(node);
  }

  #propose(node: Node, data: string): void {
    for (const item of data.split(",")) {
      const id = raftOf(node).propose(bytes(item));
      if (typeof id === "string") this.#say(`${node.id} ${id}`);
    }
    this.#ready(node);
  }

  /** Performs and prints what the node wants, except what waits for network and disk. */
  #ready(node: Node): void {
    const raft = raftOf(node);
    while (raft.hasReady()) {
      const ready = raft.takeReady();
      for (const part of readyParts(ready)) this.#say(`${node.id}: ${part}`);
      for (const entry of ready.committed) node.applied = appliedNext(node.applied, entry);
      this.#send(ready.messages);
      if (ready.persist !== undefined) node.disk.write(ready.persist);
      node.reads.push(...ready.logReads);
    }
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) {
      if (!this.#cut.has(message.from) && !this.#cut.has(message.to)) this.#network.push(message);
    }
  }

  #deliver(args: Arguments): number {
    const wanted = (name: "from" | "to" | "type", message: Message) =>
      args.get(name)?.split(",").includes(message[name]) ?? true;
    let left = Number(args.get("count") ?? Number.MAX_SAFE_INTEGER);
    const chosen = this.#network.filter((message) => {
      const isWanted = wanted("from", message) && wanted("to", message) && wanted("type", message);
      return isWanted && left-- > 0;
    });
    if (!args.has("keep")) {
      this.#network = this.#network.filter((message) => !chosen.includes(message));
    }
    for (const message of chosen) {
      const node = this.#nodes.get(message.to);
      const isLost = args.has("drop") || node?.raft === undefined;
      this.#say(`${isLost ? "lost" : "deliver"} ${describeMessage(message)}`);
      if (node?.raft === undefined || isLost) continue;
      node.raft.step(message);
      this.#ready(node);
    }
    return chosen.length;
  }

  #persist(node: Node, args: Arguments): number {
    const isDurable = !args.has("written");
    const batches = node.disk.complete(Number(args.get("count") ?? ROUNDS_MAX), isDurable);
    for (const { seq, messages } of batches) {
      this.#say(`${node.id} disk: #${seq} ${isDurable ? "durable" : "written"}`);
      raftOf(node).persisted(seq, isDurable);
      this.#send(messages);
    }
    if (batches.length > 0) this.#ready(node);
    return batches.length;
  }

  #stabilize(args: Arguments): void {
    const slow = args.get("slow")?.split(",") ?? [];
    for (let round = 0; round < ROUNDS_MAX; round++) {
      let moved = 0;
      for (const node of this.#nodes.values()) {
        if (node.raft !== undefined && !slow.includes(node.id))
          moved += this.#persist(node, new Map());
      }
      moved += this.#deliver(new Map());
      if (moved === 0) return;
    }
    throw new Error(`not stable after ${ROUNDS_MAX} rounds`);
  }

  #restore(node: Node, snapshot: SnapshotId): void {
    const isRestored = raftOf(node).restore(snapshot);
    this.#say(`${node.id} ${isRestored ? "restores" : "drops"} ${describeId(snapshot)}`);
    if (isRestored) {
      node.applied = snapshot;
      node.disk.stage(snapshot);
    }
    this.#ready(node);
  }

  #serveLog(node: Node, args: Arguments): void {
    const count = Number(args.get("count") ?? 2);
    for (const { to, from } of node.reads.splice(0)) {
      raftOf(node).provideLog({ to, ...node.disk.read(from, count) });
    }
    this.#ready(node);
  }

  #node(id: string): Node {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  #say(line: string): void {
    this.#out.push(line);
  }
}

function raftOf(node: Node): Raft {
  if (node.raft === undefined) throw new Error(`node ${node.id} is down`);
  return node.raft;
}
