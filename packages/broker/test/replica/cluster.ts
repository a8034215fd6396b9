/**
 * Nodes in memory that hand each other their messages. Time moves when a test says so, and what a
 * network may do at an awkward moment is the test's to say as well: `cut`, `lost`.
 */
import type { Roster } from "../../src/replica/index.ts";
import { memberOf, type NodeOptions, type Packet, TestNode, type TestOutputs } from "./harness.ts";

export class Cluster {
  now = 0;
  readonly commitBy: "durable" | "match";
  readonly nodes: TestNode[];
  packets: Packet[] = [];
  /** Nodes that nobody hears, and that hear nobody. */
  readonly cut = new Set<string>();
  /** Sees what each turn of each node comes to. */
  watch: (node: TestNode, out: TestOutputs) => void = () => {};
  /** Messages that get lost, by type. */
  readonly lost = new Set<string>();

  constructor(
    size: number,
    commitBy: "durable" | "match" = "durable",
    options: (id: string) => NodeOptions = () => ({}),
  ) {
    this.commitBy = commitBy;
    const ids = ["a", "b", "c", "d", "e"].slice(0, size);
    const roster = { revision: 0, members: ids.map((id) => memberOf(id)) };
    this.nodes = ids.map((id) => new TestNode(id, roster, this, options(id)));
  }

  node(id: string): TestNode {
    return this.nodes.find((each) => each.id === id)!;
  }

  get leader(): TestNode {
    return this.nodes.find((each) => {
      return each.replica.leads && !each.removed && !this.cut.has(each.id);
    })!;
  }

  /** A new node, which has been given the members of now, and itself as a learner. */
  join(id: string, options: NodeOptions = {}): TestNode {
    const { revision, members } = this.leader.roster!;
    const others = members.filter((member) => member.id !== id);
    const { incarnation = id } = options;
    const self = { ...memberOf(id), incarnation, voter: false };
    const roster = { revision, members: [...others, self] };
    const node = new TestNode(id, roster, this, options);
    this.nodes.push(node);
    return node;
  }

  /** Turns and messages until nothing is left to do at this moment. */
  settle(): void {
    for (let rounds = 0; rounds < 1_000; rounds++) {
      for (const node of this.nodes) {
        node.fetchSnapshot();
        if (node.hasInput) node.turn();
      }
      const packets = this.packets;
      this.packets = [];
      for (const packet of packets) this.#deliver(packet);
      if (packets.length === 0 && !this.nodes.some((node) => node.hasInput)) return;
    }
    throw new Error("it never comes to rest");
  }

  /** Time passes, in steps no longer than the next deadline. */
  elapse(ms: number): void {
    const end = this.now + ms;
    while (this.now < end) {
      const alive = this.nodes.filter((node) => !node.removed);
      const due = Math.min(...alive.map((node) => node.replica.nextDeadline()));
      this.now = Math.min(end, Math.max(this.now + 1, Math.ceil(due)));
      for (const node of alive) {
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

  /** Only between nodes that know of each other, as the bus has it. */
  #deliver({ from, to, type, give }: Packet): void {
    const node = this.nodes.find((each) => each.id === to);
    if (node === undefined || this.lost.has(type) || this.cut.has(from.id) || this.cut.has(to)) {
      return;
    }
    if (knows(from, node) && knows(node, from)) node.input(give);
  }
}

/** By its own roster, or by a newer one of the other, which the two then have in common. */
function knows(node: TestNode, other: TestNode): boolean {
  const { roster = NOBODY } = node;
  const { roster: theirs = NOBODY } = other;
  const isNewer = theirs.revision > roster.revision;
  const book = isNewer && theirs.members.some(({ id }) => id === node.id) ? theirs : roster;
  return book.members.some(({ id }) => id === other.id);
}

const NOBODY: Roster = { revision: -1, members: [] };
