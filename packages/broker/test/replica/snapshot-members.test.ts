/**
 * A change of members that a node was away for, and that no log has any more: it learns of it by
 * the snapshot alone, in consensus, in what it tells, and for its bus.
 */
import { expect, test } from "vitest";
import { makeId, submitOf } from "../queue/harness.ts";
import { Cluster } from "./cluster.ts";
import { memberOf, type TestNode, WALL } from "./harness.ts";

const ENTRIES = 64;
/** Whoever was silent for longer has no log kept for it. */
const SILENT_MS = 61_000;

let serial = 0;

function write(cluster: Cluster, node: TestNode, count: number): void {
  for (let at = 0; at < count; at++) {
    node.request(submitOf(makeId(++serial, WALL)));
    cluster.settle();
    if (at % 20 === 19) cluster.elapse(60);
  }
  cluster.elapse(60);
}

test("a snapshot brings the members of its time", () => {
  const cluster = new Cluster(3, "durable", () => ({ snapshotEntries: ENTRIES }));
  const leader = cluster.elect();
  const slow = cluster.nodes.find((node) => node !== leader) as TestNode;
  cluster.cut.add(slow.id);
  const { voter: _, ...member } = memberOf("d");
  const added = leader.change({ kind: "add", member });
  cluster.settle();
  expect(added).toMatchObject([{ kind: "done" }]);
  // The new member does not exist either: nobody needs the beginning of the log.
  cluster.elapse(SILENT_MS);
  write(cluster, leader, 4 * ENTRIES);
  expect(leader.log.base.index).toBeGreaterThan(slow.queue.applied);

  slow.holdSnapshots = true;
  cluster.cut.delete(slow.id);
  cluster.elapse(1_000);
  expect(slow.fetch).toBeDefined();
  expect(slow.replica.members.map(({ id }) => id)).not.toContain("d");
  slow.holdSnapshots = false;
  cluster.elapse(1_000);
  expect(slow.replica.members).toEqual(leader.replica.members);
  expect(slow.replica.members.map(({ id }) => id)).toContain("d");
  expect(slow.replica.raft.membership).toEqual(leader.replica.raft.membership);
  expect(slow.roster).toEqual(leader.roster);
  expect(slow.removed).toBe(false);
});
