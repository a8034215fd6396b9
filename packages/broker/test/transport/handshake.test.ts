/** The listener's half of the handshake, judged by itself: who is let in, and who is not. */
import { expect, test } from "vitest";
import { type Hello, judgeHello } from "../../src/transport/handshake.ts";
import { CLUSTER, memberOf } from "./harness.ts";

const MEMBERS = [memberOf("node1", 1), memberOf("node2", 3)];
const ROSTER = { revision: 5, members: MEMBERS };
const SELF = { clusterId: CLUSTER, nodeId: "node2", incarnation: "node2-incarnation", boot: 1 };
const HELLO: Hello = {
  clusterId: CLUSTER,
  nodeId: "node1",
  incarnation: "node1-incarnation",
  boot: 1,
  versionMin: 1,
  versionMax: 1,
  to: "node2",
  revision: 5,
};

function judge(changes: Partial<Hello>, roster = ROSTER) {
  return judgeHello({ ...HELLO, ...changes }, SELF, { min: 1, max: 1 }, roster);
}

test("a member is let in, in the version that both speak", () => {
  expect(judge({})).toEqual({ ok: true, version: 1 });
  expect(judge({ versionMax: 9 })).toEqual({ ok: true, version: 1 });
});

test.each<[string, Partial<Hello>, string]>([
  ["another cluster", { clusterId: "d".repeat(32) }, "correct raft.peers or the data directory"],
  ["another incarnation", { incarnation: "feed" }, "node1 was replaced"],
  ["a node that was removed", { nodeId: "node3" }, "node3 was removed"],
  ["one that means another", { to: "node9" }, "this is node2, not node9"],
  ["one of this node's name", { nodeId: "node2" }, "is this node's own raft.node_id"],
  ["one that speaks only later versions", { versionMin: 2, versionMax: 3 }, "no common bus"],
])("%s is not", (_, changes, reason) => {
  const judgement = judge(changes);
  expect(judgement).toMatchObject({ ok: false, outdated: false });
  expect(judgement).toMatchObject({ reason: expect.stringContaining(reason) });
});

test("a stranger that knows a newer roster is not, and this node has something to learn", () => {
  expect(judge({ nodeId: "node3", revision: 6 })).toMatchObject({ ok: false, outdated: true });
});

test("nobody is let in by a node that was removed itself", () => {
  const roster = { revision: 6, members: MEMBERS.slice(0, 1) };
  expect(judge({}, roster)).toMatchObject({
    ok: false,
    reason: expect.stringContaining("node2 was removed"),
  });
});
