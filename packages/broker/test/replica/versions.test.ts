/**
 * A cluster whose nodes run binaries of different age: what the roster says of them, when the
 * version of the cluster may be raised, and that a binary which does not know it takes no part.
 */
import { describe, expect, test } from "vitest";
import {
  type ClusterMember,
  decodeRoster,
  encodeRoster,
  type Roster,
  TooNew,
  type VersionRange,
} from "../../src/replica/index.ts";
import { makeId, submitOf } from "../queue/harness.ts";
import { Cluster } from "./cluster.ts";
import { memberOf, type NodeOptions, TestNode, WALL } from "./harness.ts";

const OLD = { min: 1, max: 1 };
const NEW = { min: 1, max: 4 };

let serial = 0;
const submit = () => submitOf(makeId(++serial, WALL));

/** Of `members` as they are known before anybody has said anything. */
function clusterOf(
  members: readonly ClusterMember[],
  options: (id: string) => NodeOptions = () => ({}),
  version?: number,
): Cluster {
  const cluster = new Cluster(0);
  const plain = { revision: 0, members };
  const roster: Roster = version === undefined ? plain : { ...plain, clusterVersion: version };
  for (const { id } of members) cluster.nodes.push(new TestNode(id, roster, cluster, options(id)));
  return cluster;
}

function silent(id: string): ClusterMember {
  const { versions: _, ...member }: ClusterMember = memberOf(id);
  return member;
}

const announce = (node: TestNode, peer: string, versions: VersionRange) => {
  node.input((replica) => replica.announced(peer, versions));
};

/** `a:1-4 b:1-1 c:?` */
function known({ replica }: TestNode): string {
  const texts = replica.members.map(({ id, versions }) => {
    return `${id}:${versions === undefined ? "?" : `${versions.min}-${versions.max}`}`;
  });
  return texts.join(" ");
}

function raise(node: TestNode, to = 2) {
  return node.change({ kind: "raise", to });
}

describe("the roster", () => {
  const members = [memberOf("a"), silent("b")];

  test("of the first version is what the first binary writes, but for what it reads over", () => {
    const roster = { revision: 3, members: [silent("a"), silent("b")] };
    const text =
      '{"version":1,"revision":3,"members":[' +
      '{"id":"a","incarnation":"a","bus":"a:1","address":"a:2","voter":true},' +
      '{"id":"b","incarnation":"b","bus":"b:1","address":"b:2","voter":true}]}';
    expect(new TextDecoder().decode(encodeRoster(roster))).toBe(text);
    expect(new TextDecoder().decode(encodeRoster({ ...roster, members }))).toBe(
      text.replace('"voter":true}', '"voter":true,"versions":{"min":1,"max":4}}'),
    );
  });

  test("comes back as it was, in either format", () => {
    for (const roster of [
      { revision: 3, members },
      { revision: 3, members, clusterVersion: 2 },
    ]) {
      expect(decodeRoster(encodeRoster(roster))).toEqual(roster);
    }
  });

  test("of a later version is refused by whoever does not know that", () => {
    const data = encodeRoster({ revision: 3, members, clusterVersion: 2 });
    expect(() => decodeRoster(data, OLD)).toThrow(TooNew);
    expect(() => decodeRoster(data, OLD)).toThrow(
      "the cluster works with version 2 by now, and this tq-broker knows version 1: " +
        "start a newer tq-broker",
    );
    expect(() => decodeRoster(encodeRoster({ revision: 0, members, clusterVersion: 5 }))).toThrow(
      TooNew,
    );
    const later = new TextEncoder().encode('{"version":3,"revision":0,"members":[]}');
    expect(() => decodeRoster(later)).toThrow(TooNew);
  });

  test.each([
    '{"version":2,"revision":0,"members":[]}',
    '{"version":0,"revision":0,"members":[]}',
    '{"version":2,"cluster_version":"2","revision":0,"members":[]}',
  ])("is not %s", (text) => {
    expect(() => decodeRoster(new TextEncoder().encode(text))).toThrow(/roster of format/);
  });
});

describe("what a binary knows", () => {
  test("is in the roster once a leader that knows of versions has heard it", () => {
    const cluster = clusterOf(["a", "b", "c"].map(silent));
    const leader = cluster.elect();
    expect(known(leader)).toBe("a:1-4 b:? c:?");
    for (const id of ["b", "c"]) announce(leader, id, id === "b" ? NEW : OLD);
    cluster.settle();
    cluster.elapse(500);
    // Nothing to say of one that knows the first version only: that is what silence means.
    for (const node of cluster.nodes) expect(known(node)).toBe("a:1-4 b:1-4 c:?");
    expect(leader.notes).toContain("b knows versions 1 to 4 of the cluster now");
  });

  test("may have become less, when somebody went back", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    const { revision } = leader.roster!;
    announce(leader, "b", OLD);
    cluster.elapse(500);
    expect(known(leader)).toBe("a:1-4 b:1-1 c:1-4");
    expect(leader.notes).toContain("b knows version 1 of the cluster now");
    announce(leader, "b", NEW);
    cluster.elapse(500);
    expect(known(leader)).toBe("a:1-4 b:1-4 c:1-4");
    expect(leader.roster!.revision).toBe(revision + 2);
  });

  test("is written down by the next leader, which heard it as a follower", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    for (const node of cluster.nodes) if (node !== leader) announce(node, leader.id, OLD);
    cluster.cut.add(leader.id);
    cluster.elapse(10_000);
    const next = cluster.elect();
    expect(known(next)).toBe("a:1-1 b:1-4 c:1-4");
  });

  test("is forgotten with the member: its successor of that name is another one", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    announce(leader, "c", OLD);
    cluster.elapse(500);
    leader.change({ kind: "remove", id: "c", force: true });
    cluster.elapse(500);
    const { voter: _, ...member } = { ...memberOf("c"), incarnation: "again" };
    leader.change({ kind: "add", member });
    cluster.elapse(500);
    expect(known(leader)).toBe("a:1-4 b:1-4 c:1-4");
  });

  test("makes a leader of the first version write nothing", () => {
    const cluster = clusterOf(["a", "b", "c"].map(silent), () => ({ supports: OLD }));
    const leader = cluster.elect();
    announce(leader, "b", OLD);
    cluster.elapse(500);
    expect(leader.roster!.revision).toBe(0);
  });
});

describe("the version of the cluster", () => {
  test("is raised by an entry, at the same place everywhere", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    leader.request(submit());
    const outcomes = raise(leader);
    cluster.settle();
    leader.request(submit());
    cluster.elapse(500);
    expect(outcomes).toMatchObject([{ kind: "done" }]);
    const hashes = new Set(cluster.nodes.map(({ queue }) => queue.effectHash));
    expect(hashes.size).toBe(1);
    for (const { replica, queue } of cluster.nodes) {
      expect([replica.clusterVersion, queue.version]).toEqual([2, 2]);
    }
    expect(leader.notes).toContain("the cluster works with version 2 from now on");
    const roster = decodeRoster(leader.flushes.at(-1)!.mark.membership);
    expect(roster.clusterVersion).toBe(2);
  });

  test("is not raised while one is old; then all are rolled, one by one", () => {
    const cluster = clusterOf(["a", "b", "c"].map(silent));
    const leader = cluster.elect();
    const words = (...ids: string[]) => {
      const parts = ids.map(
        (id) => `${id} has not said what it knows, as the first versions do not`,
      );
      return (
        `not every member knows version 2: ${parts.join(", ")}; ` +
        "start a newer tq-broker there, or remove that member"
      );
    };
    const attempt = (): unknown => {
      const outcomes = raise(leader);
      cluster.elapse(200);
      return outcomes[0];
    };
    const refused = { kind: "refused", code: "state_conflict" };
    expect(attempt()).toEqual({ ...refused, message: words("b", "c") });
    announce(leader, "b", NEW);
    // The roster is corrected first, and the question waits for that.
    expect(attempt()).toEqual({ ...refused, message: words("c") });
    cluster.cut.add("c");
    announce(leader, "c", NEW);
    cluster.settle();
    // That it is down by now does not matter: it has said so.
    expect(attempt()).toMatchObject({ kind: "done" });
    expect(attempt()).toMatchObject({ kind: "done" });
    expect(leader.replica.clusterVersion).toBe(2);
  });

  test("has no way back, and goes no further than the leader's own binary", () => {
    const cluster = new Cluster(1);
    const leader = cluster.elect();
    raise(leader);
    cluster.elapse(100);
    const outcomes = [raise(leader, 1), raise(leader, 2), raise(leader, 5)];
    cluster.elapse(100);
    const refused = { kind: "refused", code: "state_conflict" };
    const noWay = "the cluster works with version 2; there is no way back";
    const unknown = "version 5 is not known here: this tq-broker knows 1 to 4";
    const advice = "start a newer one on every member first";
    expect(outcomes).toMatchObject([
      [{ ...refused, message: noWay }],
      [{ kind: "done" }],
      [{ ...refused, message: `${unknown}; ${advice}` }],
    ]);
  });

  test("is kept through changes of members and leaders", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    raise(leader);
    cluster.elapse(200);
    cluster.join("d");
    const { voter: _, ...member } = memberOf("d");
    leader.change({ kind: "add", member });
    cluster.elapse(500);
    cluster.cut.add(leader.id);
    cluster.elapse(10_000);
    const next = cluster.elect();
    next.change({ kind: "remove", id: leader.id, force: true });
    cluster.elapse(500);
    expect(next.replica.members.map(({ id }) => id)).toEqual(["b", "c", "d"]);
    expect(next.roster?.clusterVersion).toBe(2);
    for (const node of cluster.nodes.filter(({ id }) => id !== leader.id)) {
      expect(node.queue.version).toBe(2);
      expect(node.queue.effectHash).toBe(next.queue.effectHash);
    }
  });

  test("that a lost leader began to raise is raised by the next one, or by nobody", () => {
    const cluster = new Cluster(3);
    const leader = cluster.elect();
    cluster.lost.add("append");
    const outcomes = raise(leader);
    cluster.settle();
    cluster.cut.add(leader.id);
    cluster.lost.clear();
    cluster.elapse(10_000);
    const next = cluster.elect();
    expect(next.replica.clusterVersion).toBe(1);
    cluster.cut.clear();
    cluster.elapse(3_000);
    expect(outcomes[0]?.kind).not.toBe("done");
    expect(leader.replica.clusterVersion).toBe(1);
    expect(leader.queue.version).toBe(1);
    expect(leader.queue.effectHash).toBe(next.queue.effectHash);
  });

  test("of founders that all know it reaches their states by the first leader's entry", () => {
    const founders = ["a", "b", "c"].map((id) => memberOf(id));
    const cluster = clusterOf(founders, () => ({}), 2);
    const leader = cluster.elect();
    leader.request(submit());
    cluster.elapse(500);
    expect(leader.roster).toMatchObject({ revision: 1, clusterVersion: 2 });
    for (const { queue } of cluster.nodes) {
      expect(queue.version).toBe(2);
      expect(queue.effectHash).toBe(leader.queue.effectHash);
    }
    // One that joins, and gets the log from its beginning, goes through the same versions.
    const { voter: _, ...member } = memberOf("d");
    const joining = { ...leader.roster!, members: [...founders, { ...member, voter: false }] };
    const learner = new TestNode("d", joining, cluster, { joinedAt: 1 });
    cluster.nodes.push(learner);
    leader.change({ kind: "add", member });
    cluster.elapse(1_000);
    expect(learner.queue.applied).toBe(leader.queue.applied);
    expect(learner.queue.effectHash).toBe(leader.queue.effectHash);
  });
});

describe("a member that does not know the version of the cluster", () => {
  /** c runs an old binary, of which nobody knows: it went back while it could not be heard. */
  function withOldMember(): { cluster: Cluster; old: TestNode } {
    const cluster = new Cluster(3, "durable", (id) => (id === "c" ? { supports: OLD } : {}));
    const leader = cluster.elect();
    expect(leader.id).not.toBe("c");
    cluster.cut.add("c");
    raise(leader);
    cluster.settle();
    leader.request(submit());
    cluster.elapse(500);
    expect(leader.replica.clusterVersion).toBe(2);
    return { cluster, old: cluster.node("c") };
  }

  test("stops before it has written anything of it", () => {
    const { cluster, old } = withOldMember();
    cluster.cut.clear();
    expect(() => cluster.elapse(10_000)).toThrow(TooNew);
    const written = old.log.entries.filter(({ kind }) => kind === "membership");
    expect(written.map(({ data }) => decodeRoster(data).clusterVersion)).toEqual([]);
    expect(cluster.leader.log.entries.some(({ kind }) => kind === "membership")).toBe(true);
    expect(old.queue.version).toBe(1);
  });

  test("installs no snapshot of it", () => {
    const { cluster, old } = withOldMember();
    const source = cluster.leader;
    expect(() => old.receiveSnapshot(source)).toThrow(TooNew);
  });

  test("does not even start when its own disk tells of it", () => {
    const roster = { revision: 4, members: [memberOf("a")], clusterVersion: 2 };
    const cluster = new Cluster(1);
    expect(() => new TestNode("a", roster, cluster, { supports: OLD })).toThrow(TooNew);
    expect(new TestNode("a", roster, cluster).replica.clusterVersion).toBe(2);
  });

  test("cannot be added", () => {
    const cluster = new Cluster(1);
    const leader = cluster.elect();
    raise(leader);
    cluster.elapse(100);
    const { voter: _, ...member } = silent("b");
    const outcomes = leader.change({ kind: "add", member });
    cluster.elapse(100);
    const message =
      "the cluster works with version 2, and b knows 1: start a newer tq-broker there";
    expect(outcomes).toEqual([{ kind: "refused", code: "state_conflict", message }]);
  });
});
