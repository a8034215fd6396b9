/**
 * Plays a transcript of a whole cluster: stanzas of commands, a dashed line, and what came of them,
 * node by node and turn by turn: who leads, what is written to each log, what callers and workers
 * are told. Messages travel at once and are not shown. `-u` rewrites the output.
 */
import type { Entry } from "task-queue-raft";
import { describeCommand, describeReply } from "../../src/queue/describe.ts";
import { type Command, decodeBatch } from "../../src/queue/index.ts";
import { decodeRoster, type Outcome, type Roster } from "../../src/replica/index.ts";
import { completeOf, makeId, registerOf, submitOf } from "../queue/harness.ts";
import { Cluster } from "./cluster.ts";
import { memberOf, type TestNode, type TestOutputs, WALL } from "./harness.ts";

type Arguments = ReadonlyMap<string, string>;

export function play(text: string): string {
  const transcript = new Transcript();
  const stanzas = text.trim().split(/\n\n+/);
  return `${stanzas.map((stanza) => transcript.stanza(stanza)).join("\n\n")}\n`;
}

class Transcript {
  #cluster = new Cluster(1);
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
    const [name = "", ...words] = line.split(" ");
    const [first = "", ...rest] = words;
    const args = new Map(rest.map((word) => word.split("=", 2) as [string, string]));
    const act = this.#commands[name];
    if (act === undefined) throw new Error(`unknown command: ${line}`);
    act(first, args);
    // Everything that follows at this moment; time stands still.
    this.#cluster.settle();
  }

  readonly #commands: Record<string, (first: string, args: Arguments) => void> = {
    /** `cluster 3 snapshotEntries=100`: with a leader, of which nothing is shown. */
    cluster: (size, args) => {
      const snapshotEntries = Number(args.get("snapshotEntries") ?? 10_000);
      this.#cluster = new Cluster(Number(size), "durable", () => ({ snapshotEntries }));
      this.#cluster.elect();
      this.#cluster.watch = (node, out) => this.#watch(node, out);
      for (const node of this.#cluster.nodes) this.#say(node, describeStanding(node));
    },
    /** So many entries, and time to flush them, without printing. */
    fill: (id, args) => {
      const printed = this.#out;
      this.#out = [];
      for (let left = Number(args.get("count")); left > 0; left--) {
        this.#request(id, submitOf(makeId(1_000 + left, WALL)));
        this.#cluster.elapse(5);
      }
      this.#cluster.elapse(100);
      this.#out = printed;
    },
    elapse: (ms) => this.#cluster.elapse(Number(ms)),
    /** Nobody hears these, and they hear nobody. */
    cut: (ids) => {
      for (const id of ids.split(",")) this.#cluster.cut.add(id);
    },
    heal: () => this.#cluster.cut.clear(),
    /** Messages of these types get lost from now on. */
    lose: (types) => {
      for (const type of types.split(",")) this.#cluster.lost.add(type);
    },
    keep: () => this.#cluster.lost.clear(),
    join: (id) => {
      this.#cluster.join(id);
    },
    submit: (id, args) => this.#request(id, submitOf(makeId(Number(args.get("task")), WALL))),
    register: (id, args) => {
      const leaseMs = Number(args.get("lease") ?? 30_000);
      this.#request(id, registerOf(args.get("session") ?? "", { leaseMs }));
    },
    attach: (id, args) => {
      const session = args.get("session") ?? "";
      this.#node(id).input((replica) => {
        const attachment = replica.attach(session, []);
        this.#say(this.#node(id), `attached: ${attachment !== undefined}`);
        replica.setWindow(session, Number(args.get("window") ?? 1));
      });
    },
    beat: (id, args) => this.#node(id).input((replica) => replica.beat(args.get("session") ?? "")),
    complete: (id, args) => {
      const token = Number(args.get("token"));
      this.#request(id, completeOf(makeId(Number(args.get("task")), WALL), token));
    },
    add: (id, args) => {
      const { voter: _, ...member } = memberOf(args.get("member") ?? "");
      this.#wait(id, "change", this.#node(id).change({ kind: "add", member }));
    },
    promote: (id, args) => {
      const change = { kind: "promote", id: args.get("member") ?? "", force: args.has("force") };
      this.#wait(
        id,
        "change",
        this.#node(id).change(change as { kind: "promote" } & typeof change),
      );
    },
    remove: (id, args) => {
      const change = { kind: "remove", id: args.get("member") ?? "", force: args.has("force") };
      this.#wait(id, "change", this.#node(id).change(change as { kind: "remove" } & typeof change));
    },
    transfer: (id, args) => this.#wait(id, "transfer", this.#node(id).transfer(args.get("to"))),
    /** The disk of these answers no more, neither to the log nor to a flush; `only=log`, `flush`. */
    hang: (ids, args) => {
      const only = args.get("only");
      for (const node of this.#nodes(ids)) {
        if (only !== "flush") node.disk = "slow";
        node.holdFlushes = only !== "log";
      }
    },
    resume: (ids) => {
      for (const node of this.#nodes(ids)) node.resume();
    },
    low: (ids) => {
      for (const node of this.#nodes(ids)) node.input((replica) => replica.diskLow(true));
    },
    room: (ids) => {
      for (const node of this.#nodes(ids)) node.input((replica) => replica.diskLow(false));
    },
    drain: (id) => this.#node(id).input((replica) => replica.drain()),
    /** Every node: role, applied index, tasks and sessions. */
    show: () => {
      for (const node of this.#cluster.nodes) this.#say(node, describeStanding(node));
    },
  };

  #nodes(ids: string): TestNode[] {
    return ids.split(",").map((id) => this.#node(id));
  }

  #node(id: string): TestNode {
    return this.#cluster.node(id);
  }

  #request(id: string, command: Command): void {
    const node = this.#node(id);
    const label = describeCommand(command, WALL).split(" ").slice(0, 2).join(" ");
    node.input((replica) => {
      replica.request(command, (outcome) => {
        this.#say(node, `answers ${label}: ${describeOutcome(outcome)}`);
      });
    });
  }

  /** Says how it ended as soon as it has: the list fills up during later commands. */
  #wait(id: string, what: string, outcomes: { kind: string; message?: string }[]): void {
    outcomes.push = (outcome) => {
      this.#say(this.#node(id), `answers ${what}: ${describeEnd(outcome)}`);
      return 1;
    };
  }

  #watch(node: TestNode, out: TestOutputs): void {
    if (out.leadership !== undefined) {
      const { role, term, leader } = out.leadership;
      this.#say(node, `is ${role} in term ${term}, leader ${leader ?? "unknown"}`);
    }
    if (out.roster !== undefined) this.#say(node, `reaches ${describeRoster(out.roster)}`);
    if (out.snapshotFetch !== undefined) {
      const { index, sources } = out.snapshotFetch;
      this.#say(node, `wants a snapshot from ${index} on, of ${sources.join(" or ")}`);
    }
    if (out.compact !== undefined) this.#say(node, `compacts up to ${out.compact}`);
    for (const { truncateFrom, entries, restore } of out.persists) {
      if (restore !== undefined) this.#say(node, `goes on behind a snapshot at ${restore.index}`);
      if (truncateFrom !== undefined) this.#say(node, `cuts its log from ${truncateFrom} on`);
      for (const entry of entries) this.#say(node, `writes ${describeEntry(entry)}`);
    }
    for (const { to, forwards } of out.forwards) {
      this.#say(node, `forwards ${forwards.length} to ${to}`);
    }
    for (const { session, deliveries, lost, renewed, ended } of out.sessions.values()) {
      for (const { token } of deliveries) this.#say(node, `gives ${session} token ${token}`);
      for (const { token } of lost) this.#say(node, `takes token ${token} from ${session}`);
      if (renewed) this.#say(node, `confirms a heartbeat of ${session}`);
      if (ended) this.#say(node, `ends ${session}`);
    }
    for (const { text } of out.notes) this.#say(node, `notes: ${text}`);
    if (out.removed && !node.removed) this.#say(node, "must stop: it was removed");
  }

  #say(node: TestNode, text: string): void {
    const at = `${String(this.#cluster.now).padStart(6)} ${node.id}`;
    this.#out.push(`${at} ${text}`);
  }
}

function describeEntry({ term, index, kind, data }: Entry): string {
  const head = `${term}/${index}`;
  if (kind === "empty") return `${head} empty`;
  if (kind === "membership") return `${head} members ${describeRoster(decodeRoster(data))}`;
  const commands = decodeBatch(data).commands.map((command) => describeCommand(command, WALL));
  return `${head} ${commands.join("; ")}`;
}

function describeRoster({ revision, members }: Roster): string {
  const names = members.map(({ id, voter }) => (voter ? id : `(${id})`));
  return `${names.join(" ")} at revision ${revision}`;
}

function describeOutcome(outcome: Outcome): string {
  if (outcome.kind !== "applied") return describeEnd(outcome);
  return `${describeReply(outcome.reply)} at ${outcome.index}`;
}

function describeEnd({ kind, message }: { kind: string; message?: string }): string {
  return message === undefined ? kind : `${kind}: ${message}`;
}

function describeStanding({ replica, queue }: TestNode): string {
  const { role, term, commit } = replica.raft;
  const counts = Object.entries(queue.counts()).filter(([, count]) => count > 0);
  const parts = [`${role} term=${term} commit=${commit} applied=${queue.applied}`];
  parts.push(...counts.map(([state, count]) => `${state}=${count}`));
  for (const { id, lapsed } of queue.sessions()) {
    const tokens = queue.leases(id).map(({ token }) => token);
    parts.push(lapsed ? `${id} lapsed` : `${id} holds [${tokens.join(" ")}]`);
  }
  return parts.join(" ");
}
