/** Agreement on one cluster, decided by pure functions of what a node has learned. */
import { describe, expect, test } from "vitest";
import type { ClusterMember, Formation } from "../../src/ports.ts";
import {
  announce,
  decide,
  judgeForm,
  type PeerAnswer,
  type PeerView,
  refusalOf,
  type Seeker,
} from "../../src/transport/formation.ts";
import { memberOf } from "./harness.ts";

const versions = { min: 1, max: 1 };
const [one, two, three, four] = [1, 2, 3, 4].map((n) => memberOf(`node${n}`, 20_000 + n)) as [
  ClusterMember,
  ClusterMember,
  ClusterMember,
  ClusterMember,
];

interface AnswerOptions {
  readonly clusterId?: string;
  readonly formation?: Formation;
  readonly refusal?: string;
  readonly versions?: { min: number; max: number };
}

/** `member`, met, says that it has met `met` and not yet what is at the addresses `unmet`. */
function says(
  member: ClusterMember,
  met: readonly ClusterMember[],
  unmet: readonly string[] = [],
  options: AnswerOptions = {},
): PeerAnswer {
  const span = options.versions ?? versions;
  const peers = [
    ...met.map(({ id, incarnation, bus }) => ({ address: bus, nodeId: id, incarnation })),
    ...unmet.map((address) => ({ address, nodeId: "", incarnation: "" })),
  ];
  const clusterId = options.clusterId ?? options.formation?.clusterId ?? "";
  const revision = options.formation?.revision ?? 0;
  const from = { member, versionMin: span.min, versionMax: span.max, clusterId, peers, revision };
  return { from, formation: options.formation, refusal: options.refusal ?? "" };
}

function view(address: string, answer?: PeerAnswer, expected?: string): PeerView {
  return { address, expected, answer, trouble: answer === undefined ? "no answer" : undefined };
}

const met = (answer: PeerAnswer, expected?: string) =>
  view(answer.from.member.bus, answer, expected);
const self: Seeker = { member: one, versions };

describe("decide", () => {
  test("a node without peers founds a cluster of one", () => {
    expect(decide(self, [])).toEqual({ type: "found", members: [one] });
  });

  test("the lowest id founds once all have met all", () => {
    const peers = [met(says(three, [one, two])), met(says(two, [three, one]))];
    expect(decide(self, peers)).toEqual({ type: "found", members: [one, two, three] });
  });

  test("the others wait for it", () => {
    const peers = [met(says(one, [two, three])), met(says(three, [one, two]))];
    expect(decide({ member: two, versions }, peers)).toEqual({
      type: "wait",
      waiting: ["node1 to found the cluster"],
      wrong: [],
    });
  });

  test("a peer entry that is this node under another name does not count", () => {
    const peers = [view("localhost:20001", says(one, [])), met(says(two, [one]))];
    expect(decide(self, peers)).toEqual({ type: "found", members: [one, two] });
    expect(announce(self, peers, undefined).peers.map((peer) => peer.nodeId)).toEqual(["node2"]);
  });

  test("whoever is listed by a later roster joins, whatever raft.peers says", () => {
    const learner = { ...one, voter: false };
    const roster = (revision: number) => {
      return { clusterId: "c", revision, members: [learner, three, four] };
    };
    const peers = [
      met(says(two, [], [], { clusterId: "c", refusal: "you are no member" })),
      met(says(three, [], [], { formation: roster(4) })),
      met(says(four, [], [], { formation: roster(5) })),
      view("127.0.0.1:20009"),
    ];
    expect(decide(self, peers)).toEqual({ type: "adopt", formation: roster(5) });
  });

  test("a member's document is adopted, even while others are away", () => {
    const formation = { clusterId: "c", revision: 0, members: [one, two, three] };
    const peers = [met(says(two, [], [], { formation })), view(three.bus)];
    expect(decide(self, peers)).toEqual({ type: "adopt", formation });
  });

  const formation = { clusterId: "c", revision: 0, members: [two, three] };
  const reborn = { ...two, incarnation: "reborn" };
  const waits: readonly (readonly [string, readonly PeerView[], readonly string[], RegExp[]])[] = [
    [
      "for those that do not answer",
      [met(says(two, [one], [three.bus])), view(three.bus)],
      ["127.0.0.1:20003 (no answer)"],
      [],
    ],
    [
      "for those that have not met all",
      [met(says(two, [one], [three.bus])), met(says(three, [one, two]))],
      ["node2 to meet 127.0.0.1:20003"],
      [],
    ],
    [
      "for those that have met an earlier life of another",
      [met(says(reborn, [one, three])), met(says(three, [one, two]))],
      ["node3 to meet the others as they are now"],
      [],
    ],
    [
      "when a peer lists fewer nodes",
      [met(says(two, [one])), met(says(three, [one, two]))],
      [],
      [/^node2 counts node1, node2 as members, .* would be node1, node2, node3: make raft\.peers/],
    ],
    [
      "when a peer lists fewer nodes, said before the rest has answered",
      [met(says(two, [one])), view(three.bus)],
      ["127.0.0.1:20003 (no answer)"],
      [/^node2 counts node1, node2 as members, .* would be 127\.0\.0\.1:20003, node1, node2:/],
    ],
    [
      "when a peer lists another node",
      [met(says(two, [one, four])), met(says(three, [one, two]))],
      [],
      [/^node2 counts node1, node2, node4 as members, .* would be node1, node2, node3:/],
    ],
    [
      "when a peer has the same id",
      [view("10.0.0.9:1", says({ ...one, incarnation: "x" }, [one]))],
      [],
      [/^10\.0\.0\.9:1 calls itself node1 too: give each node its own raft\.node_id$/],
    ],
    [
      "when two peers have the same id",
      [met(says(two, [one, two])), view("10.0.0.9:1", says(reborn, [one, two]))],
      [],
      [/^127\.0\.0\.1:20002 and 10\.0\.0\.9:1 both call themselves node2: give each node its own/],
    ],
    [
      "when two entries are the same node",
      [met(says(two, [one])), view("10.0.0.9:1", says(two, [one]))],
      [],
      [/^127\.0\.0\.1:20002 and 10\.0\.0\.9:1 are the same node, node2: list each node once/],
    ],
    [
      "when another node answers than the configuration says",
      [met(says(two, [one]), "node7")],
      [],
      [/^127\.0\.0\.1:20002 is node2, but raft\.peers calls it node7$/],
    ],
    [
      "when there is no common version",
      [met(says(two, [one], [], { versions: { min: 2, max: 4 } }))],
      [],
      [/^no common bus protocol: node2 speaks 2 to 4, node1 speaks 1 to 1/],
    ],
    [
      "when a cluster exists without it",
      [met(says(two, [], [], { clusterId: "c", refusal: refusalOf(formation, one) }))],
      [],
      [/^cluster c exists and node1 is not a member: add it with tq-admin members add node1@127/],
    ],
    [
      "when a cluster exists whose member does not say what to do",
      [met(says(two, [], [], { formation }))],
      [],
      [/^cluster c exists without this node$/],
    ],
    [
      "when a cluster exists, without a word about lists that differ",
      [met(says(two, [], [], { clusterId: "c", refusal: "add it" })), met(says(three, [one]))],
      [],
      [/^add it$/],
    ],
    [
      "when it is offered two clusters",
      ["c", "d"].map((clusterId, i) => {
        const offered = { clusterId, revision: 0, members: [one, two, three] };
        return met(says(i === 0 ? two : three, [], [], { formation: offered }));
      }),
      [],
      [/^node1 is a member of more than one cluster: c, d$/],
    ],
    [
      "when it lists a node that its cluster does not",
      [
        met(says(two, [], [], { formation: { clusterId: "c", revision: 0, members: [one, two] } })),
        met(says(three, [one, two])),
      ],
      [],
      [/^raft\.peers lists node3, not a member of cluster c: correct raft\.peers$/],
    ],
  ];

  test.each(waits)("waits %s", (_, peers, waiting, wrong) => {
    const decision = decide(self, peers);
    expect(decision.type).toBe("wait");
    if (decision.type !== "wait") return;
    expect(decision.waiting).toEqual(waiting);
    wrong.forEach((words, i) => {
      expect(decision.wrong[i]).toMatch(words);
    });
    expect(decision.wrong.length > 0).toBe(wrong.length > 0);
  });
});

describe("judgeForm", () => {
  const all = [met(says(one, [two, three])), met(says(three, [one, two]))];
  const seeker: Seeker = { member: two, versions };
  const offered = { clusterId: "c", revision: 0, members: [one, two, three] };

  test("accepts the document of those it has met, again and again", () => {
    expect(judgeForm(seeker, all, undefined, offered).verdict).toBe("ACCEPTED");
    expect(judgeForm(seeker, [], offered, offered).verdict).toBe("ACCEPTED");
  });

  test("refuses what founders do not make", () => {
    const words = { verdict: "REFUSED", reason: "not the document of founders" };
    expect(judgeForm(seeker, all, undefined, { ...offered, revision: 1 })).toEqual(words);
    const learners = offered.members.map((member) => ({ ...member, voter: false }));
    expect(judgeForm(seeker, all, undefined, { ...offered, members: learners })).toEqual(words);
  });

  const reborn = { ...one, incarnation: "reborn" };
  test.each([
    [
      "another cluster",
      "REFUSED",
      all,
      { ...offered, clusterId: "d" },
      "node2 belongs to cluster d",
    ],
    ["not in it", "REFUSED", all, undefined, "node2 as it is now is not in the document"],
    [
      "not all met",
      "LATER",
      [all[0]!, view(three.bus)],
      undefined,
      "node2 has not met 127.0.0.1:2",
    ],
    ["fewer", "REFUSED", [all[0]!], undefined, "node2 counts node1, node2 as members, where this"],
    [
      "an earlier life",
      "LATER",
      [met(says(reborn, [two, three])), all[1]!],
      undefined,
      "node2 has met node1 in another incarnation",
    ],
  ] as const)("%s: %s", (what, verdict, peers, current, words) => {
    const members = what === "not in it" ? [one, three] : offered.members;
    const reply = judgeForm(seeker, peers, current, { ...offered, members });
    expect(reply.verdict).toBe(verdict);
    expect(reply.reason).toContain(words);
  });
});
