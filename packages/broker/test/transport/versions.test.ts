/**
 * Nodes of different age on one bus: what each says of its binary, in which version they speak, and
 * with which version of the cluster they begin.
 */
import { afterEach, describe, expect, test } from "vitest";
import type { Beacon, ClusterMember, Formation, Member, VersionRange } from "../../src/ports.ts";
import { readFormation, readMember } from "../../src/transport/document.ts";
import {
  announce,
  decide,
  foundingOf,
  judgeForm,
  type PeerView,
} from "../../src/transport/formation.ts";
import {
  decodeHello,
  decodeWelcome,
  encodeHello,
  encodeWelcome,
  RAFT_SERVICE,
} from "../../src/transport/raft-service.ts";
import { CLUSTER, listen, memberOf, type Node, start, stopAll, until } from "./harness.ts";

const OLD = { min: 1, max: 1 };
const NEW = { min: 1, max: 2 };

const open: Node[] = [];
afterEach(() => stopAll(open.splice(0)));

const knowing = (versions: VersionRange, port: number): ClusterMember => {
  return { ...memberOf(`node${port}`, 20_000 + port), versions };
};
const silent = (port: number): ClusterMember => memberOf(`node${port}`, 20_000 + port);

interface Build {
  readonly protocol?: VersionRange;
  readonly knows?: VersionRange;
  readonly program?: string;
}

/** Two nodes, whose bus protocol and binaries are these. */
async function pair(one: Build, two: Build): Promise<readonly [Node, Node]> {
  const listening = [await listen(), await listen()];
  const members = [one, two].map(({ knows }, i): ClusterMember => {
    const member = memberOf(`node${i + 1}`, listening[i]!.server.port);
    return knows === undefined ? member : { ...member, versions: knows };
  });
  const nodes = [one, two].map(({ protocol, program }, i) => {
    const named = program === undefined ? {} : { program };
    const given = { ...listening[i]!, members, id: `node${i + 1}`, ...named };
    return start(protocol === undefined ? given : { ...given, versions: protocol });
  });
  open.push(...nodes);
  await until(() => nodes.every(({ bus }) => bus.peers().every((p) => p.inbound && p.outbound)));
  return nodes as unknown as readonly [Node, Node];
}

const beacon: Beacon = {
  wallMs: 1_700_000_000_000,
  applied: 3,
  priority: 7,
  diskLow: true,
  intakeClosed: true,
  effectHash: "0123456789abcdef",
};
const beat = {
  type: "heartbeat",
  from: "node1",
  to: "node2",
  term: 1,
  commit: 0,
  round: 1,
} as const;

describe("on the bus", () => {
  test("each hears what the other's binary knows, or that it says nothing of it", async () => {
    const [one, two] = await pair({ knows: NEW }, {});
    expect([...two.heard.versions]).toEqual([["node1", NEW]]);
    expect([...one.heard.versions]).toEqual([["node2", undefined]]);
  });

  test("each hears the version of the other's program, or nothing of an older one", async () => {
    const [one, two] = await pair({ program: "1.2.3" }, {});
    expect([...two.heard.programs]).toEqual([["node1", "1.2.3"]]);
    expect([...one.heard.programs]).toEqual([["node2", ""]]);
  });

  test("what is kept of it is bounded", async () => {
    const [, two] = await pair({ program: "9".repeat(1_000) }, {});
    expect([...two.heard.programs]).toEqual([["node1", "9".repeat(64)]]);
  });

  test("two that speak the new protocol tell each other of their disks", async () => {
    const [one, two] = await pair({}, {});
    one.bus.send({ message: beat, beacon });
    await until(() => two.heard.envelopes.length === 1);
    expect(two.heard.envelopes).toEqual([{ message: beat, beacon }]);
  });

  test.each([
    ["sender", { protocol: OLD }, {}],
    ["receiver", {}, { protocol: OLD }],
  ])("an older %s still gets everything else", async (_, first, second) => {
    const [one, two] = await pair(first, second);
    one.bus.send({ message: beat, beacon });
    await until(() => two.heard.envelopes.length === 1);
    const plain = { ...beacon, diskLow: false, intakeClosed: false };
    expect(two.heard.envelopes).toEqual([{ message: beat, beacon: plain }]);
  });
});

describe("on the wire", () => {
  const party = { clusterId: CLUSTER, nodeId: "node1", incarnation: "a", boot: 1 };
  const hello = { ...party, versionMin: 1, versionMax: 2, to: "node2", revision: 0 };

  test("a hello and a welcome carry what the binary knows, or not", () => {
    for (const given of [hello, { ...hello, supports: NEW }]) {
      expect(decodeHello(encodeHello(given))).toEqual({ ...given, starts: [] });
    }
    const named = { ...hello, starts: ["0a0b0c0d", "01020304"] };
    expect(decodeHello(encodeHello(named))).toEqual(named);
    const whole = { ...named, program: "1.2.3" };
    expect(decodeHello(encodeHello(whole))).toEqual(whole);
    for (const given of [party, { ...party, supports: NEW }]) {
      const welcome = { ...given, version: 2 };
      expect(decodeWelcome(encodeWelcome(welcome))).toEqual(welcome);
    }
  });

  test("a document carries it for each member, and the version of the cluster", () => {
    const members = [knowing(NEW, 1), silent(2)];
    for (const given of [
      { clusterId: CLUSTER, revision: 3, members },
      { clusterId: CLUSTER, revision: 3, members, clusterVersion: 2 },
    ]) {
      const { requestSerialize, requestDeserialize } = RAFT_SERVICE.form;
      const { formation } = requestDeserialize(requestSerialize({ formation: given }));
      expect(readFormation(formation as Formation)).toEqual(given);
    }
  });

  test.each([
    { min: 0, max: 2 },
    { min: 3, max: 2 },
  ])("no member knows $min to $max", (versions) => {
    const named: Member = { ...memberOf("node1", 20_001), versions };
    expect(() => readMember(named)).toThrow(`knows versions ${versions.min} to ${versions.max}`);
  });
});

describe("a new cluster", () => {
  /** That has met all the others. */
  function view(member: ClusterMember, all: readonly ClusterMember[]): PeerView {
    const others = all.filter((each) => each !== member);
    const peers = others.map(({ id, incarnation, bus }) => {
      return { address: bus, nodeId: id, incarnation };
    });
    const span = { versionMin: 1, versionMax: 2 };
    const from = { member, ...span, clusterId: "", peers, revision: 0 };
    const answer = { from, formation: undefined, refusal: "" };
    return { address: member.bus, expected: undefined, trouble: undefined, answer };
  }

  test("begins with the highest version that all its founders know", () => {
    expect(foundingOf(CLUSTER, [knowing(NEW, 1), knowing(NEW, 2)]).clusterVersion).toBe(2);
    const members = [knowing(NEW, 1), silent(2)];
    expect(foundingOf(CLUSTER, members)).toEqual({ clusterId: CLUSTER, revision: 0, members });
    expect(foundingOf(CLUSTER, [knowing(NEW, 1), knowing(OLD, 2)])).not.toHaveProperty(
      "clusterVersion",
    );
  });

  test("is not founded by nodes that know no version in common", () => {
    const all = [knowing({ min: 3, max: 4 }, 1), knowing(NEW, 2)];
    const [one, two] = all as [ClusterMember, ClusterMember];
    const decision = decide({ member: one, versions: NEW }, [view(two, all)]);
    expect(decision).toMatchObject({
      type: "wait",
      wrong: [
        "no common version of the cluster: node1 knows 3 to 4, node2 knows 1 to 2; " +
          "upgrade the older ones",
      ],
    });
  });

  test("of a version that this node does not know is not joined", () => {
    const all = [silent(1), knowing(NEW, 2)];
    const [one, two] = all as [ClusterMember, ClusterMember];
    const formation = { clusterId: CLUSTER, revision: 0, members: all, clusterVersion: 2 };
    const self = { member: one, versions: NEW };
    const words =
      `cluster ${CLUSTER} works with version 2, this tq-broker knows 1 to 1: ` +
      "start a newer tq-broker";
    expect(judgeForm(self, [view(two, all)], undefined, formation)).toEqual({
      verdict: "REFUSED",
      reason: words,
    });
    const peer = view(two, all);
    const from = announce({ member: two, versions: NEW }, [], formation);
    const offered = { ...peer, answer: { from, formation, refusal: "" } };
    expect(decide(self, [offered])).toMatchObject({ type: "wait", wrong: [words] });
    const able = { member: { ...one, versions: NEW }, versions: NEW };
    expect(decide(able, [offered])).toMatchObject({ type: "adopt" });
  });
});
