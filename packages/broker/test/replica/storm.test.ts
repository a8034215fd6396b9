/**
 * Everything at once, by seed: members come and go, leaders change by wish and by accident, disks
 * and networks fail, logs are compacted and snapshots installed, while writes go on. In the end all
 * members must have the same state, and whoever waited must have been answered once.
 */
import { expect, test } from "vitest";
import type { ChangeOutcome, MemberChange, Outcome } from "../../src/replica/index.ts";
import { REMOVED_REACHED_MS } from "../../src/replica/limits.ts";
import { makeId, submitOf } from "../queue/harness.ts";
import { Cluster } from "./cluster.ts";
import { memberOf, type NodeOptions, type TestNode, WALL } from "./harness.ts";

const SEEDS = Number(process.env["STORM_SEEDS"] ?? 12);
const FIRST_SEED = Number(process.env["STORM_FIRST_SEED"] ?? 1);
const STEPS = 250;
const LOSSES = ["append", "appendReply", "timeoutNow", "forward", "forwardReply", "vote"];
const TRANSIENT = "defgh".split("");

/** mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Asked<T> {
  readonly node: TestNode;
  readonly outcomes: T[];
}

class Storm {
  readonly cluster: Cluster;
  readonly writes: Asked<Outcome>[] = [];
  readonly changes: Asked<ChangeOutcome>[] = [];
  readonly seen = { snapshots: 0, transfers: 0, changes: 0 };
  readonly #random: () => number;
  readonly #options: NodeOptions;
  #serial = 0;

  constructor(seed: number) {
    const random = randomOf(seed);
    this.#random = random;
    this.#options = { snapshotEntries: 100, random };
    this.cluster = new Cluster(3, "durable", (id) => {
      return { ...this.#options, priority: id === "b" ? 3 : 0 };
    });
    this.cluster.watch = (_, { persists, changes }) => {
      if (persists.some(({ restore }) => restore !== undefined)) this.seen.snapshots++;
      this.seen.changes += changes.filter(({ outcome }) => outcome.kind === "done").length;
    };
    this.cluster.elect();
  }

  step(): void {
    const act = this.#pick([
      () => this.#write(1),
      () => this.#write(1),
      () => this.#write(30),
      () => this.cluster.elapse(10 + Math.floor(this.#random() * 400)),
      () => this.cluster.elapse(10 + Math.floor(this.#random() * 400)),
      () => this.#cut(),
      () => this.cluster.cut.clear(),
      () => this.cluster.lost.add(this.#pick(LOSSES)),
      () => this.cluster.lost.clear(),
      () => this.#change(),
      () => this.#change(),
      () => this.#transfer(),
      () => this.#disk(),
    ]);
    act();
    this.cluster.settle();
    this.#joinThoseAdded();
  }

  calm(): void {
    const { cluster } = this;
    cluster.cut.clear();
    cluster.lost.clear();
    for (const node of cluster.nodes) this.#mend(node);
    cluster.elapse(15_000);
    this.#joinThoseAdded();
    cluster.elapse(5_000 + REMOVED_REACHED_MS);
  }

  get #alive(): TestNode[] {
    return this.cluster.nodes.filter((node) => !node.removed);
  }

  #write(count: number): void {
    const node = this.#pick(this.#alive);
    for (let left = count; left > 0; left--) {
      const outcomes = node.request(submitOf(makeId(++this.#serial, WALL)));
      this.writes.push({ node, outcomes });
      if (count > 1) this.cluster.settle();
    }
  }

  /** A minority at most, now and then for so long that the log does not wait for it. */
  #cut(): void {
    this.cluster.cut.clear();
    this.cluster.cut.add(this.#pick(this.#alive).id);
    if (this.#random() < 0.15) this.cluster.elapse(62_000);
  }

  #change(): void {
    const node = this.cluster.leader ?? this.#pick(this.#alive);
    const id = this.#pick([...TRANSIENT, "a", "b", "c"]);
    const isMember = node.replica.members.find((member) => member.id === id);
    const force = this.#random() < 0.2;
    if (isMember === undefined) this.#add(node, id);
    else if (isMember.voter || force) this.#ask(node, { kind: "remove", id, force: false });
    else this.#ask(node, { kind: "promote", id, force });
  }

  /** A name is used once: who was removed does not come back. */
  #add(node: TestNode, id: string): void {
    if (this.cluster.nodes.some((each) => each.id === id)) return;
    const { voter: _, ...member } = memberOf(id);
    this.#ask(node, { kind: "add", member });
  }

  #ask(node: TestNode, change: MemberChange): void {
    this.changes.push({ node, outcomes: node.change(change) });
  }

  #joinThoseAdded(): void {
    const leader = this.cluster.leader;
    for (const { id } of leader?.replica.members ?? []) {
      if (this.cluster.nodes.some((each) => each.id === id)) continue;
      this.cluster.join(id, this.#options);
    }
  }

  #transfer(): void {
    const node = this.cluster.leader ?? this.#pick(this.#alive);
    const to = this.#random() < 0.5 ? this.#pick(this.#alive).id : undefined;
    this.changes.push({ node, outcomes: node.transfer(to) });
    this.seen.transfers++;
  }

  #disk(): void {
    const node = this.#pick(this.#alive);
    if (node.disk === "slow" || node.holdFlushes) this.#mend(node);
    else if (this.#random() < 0.5) node.disk = "slow";
    else node.holdFlushes = true;
  }

  #mend(node: TestNode): void {
    if (node.disk === "slow") {
      node.disk = "instant";
      node.write();
    }
    if (!node.holdFlushes) return;
    node.holdFlushes = false;
    if (node.isFlushing) node.flushed();
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)]!;
  }
}

const totals = { snapshots: 0, transfers: 0, changes: 0 };

test.each(Array.from({ length: SEEDS }, (_, at) => FIRST_SEED + at))("storm %i", (seed) => {
  const storm = new Storm(seed);
  for (let step = 0; step < STEPS; step++) storm.step();
  storm.calm();
  const { cluster, writes, changes, seen } = storm;
  for (const key of ["snapshots", "transfers", "changes"] as const) totals[key] += seen[key];
  const { leader } = cluster;
  const { members } = leader.replica;
  for (const node of cluster.nodes) {
    expect(node.diverged).toBeUndefined();
    const isMember = members.some(({ id }) => id === node.id);
    if (node.removed) expect(isMember).toBe(false);
    if (node.removed || !isMember) continue;
    expect([node.id, node.queue.applied]).toEqual([node.id, leader.queue.applied]);
    expect(node.queue.effectHash).toBe(leader.queue.effectHash);
    expect(node.replica.members).toEqual(members);
    expect(node.roster?.members).toEqual(members);
    node.queue.checkInvariants();
  }
  expect(leader.replica.divergences).toBe(0);
  // Whose process has ended need not have heard.
  for (const { node, outcomes } of [...writes, ...changes]) {
    if (!node.removed) expect(outcomes).toHaveLength(1);
  }
});

test("storms are no calm", () => {
  expect(totals.snapshots).toBeGreaterThan(SEEDS / 4);
  expect(totals.transfers).toBeGreaterThan(SEEDS);
  expect(totals.changes).toBeGreaterThan(SEEDS);
});
