/** `tq-admin upgrade`: what it tells of the members' programs, and what it asks of the cluster. */
import { type ClusterJson, type MemberJson, TqError } from "task-queue-client";
import { describe, expect, test } from "vitest";
import type { ConnectOptions } from "../src/index.ts";
import { admin, FakeClient, memberJson, THREE } from "./doubles.ts";

const TERMINAL = { isTerminal: true, canAsk: true };

/** As the leader tells it: only of itself does it know what it runs. */
function clusterOf(
  supports: readonly MemberJson["supports"][],
  given: Partial<ClusterJson> = {},
): ClusterJson {
  const members = supports.map((each, place) => {
    const role = place === 0 ? "leader" : "follower";
    const version = place === 0 ? "0.2.0" : "";
    return memberJson(`node${place + 1}`, { role, version, supports: each });
  });
  return { ...THREE, members, ...given };
}

const NEW = { min: 1, max: 2 };
const OLD = { min: 1, max: 1 };

const seeing = (cluster: ClusterJson) => (fake: FakeClient) => {
  fake.clusters = [cluster];
};

/** Each member answers at its own address with what it runs; `down` ones do not. */
function asking(running: Readonly<Record<string, string>>, cluster: ClusterJson) {
  const asked: string[] = [];
  const open: FakeClient[] = [];
  const connect = ({ servers, stay }: ConnectOptions): FakeClient => {
    const fake = new FakeClient();
    fake.clusters = [cluster];
    const member = cluster.members.find(({ address }) => address === servers);
    // The verb's own connection goes wherever the brokers send it.
    if (member === undefined || !stay) return fake;
    asked.push(member.id);
    open.push(fake);
    const version = running[member.id];
    if (version === undefined) fake.error = new TqError("no_leader", "it does not answer");
    const members = cluster.members.map((each) => ({ ...each, version: version ?? "" }));
    fake.clusters = [{ ...cluster, node_id: member.id, members }];
    return fake;
  };
  return { asked, open, io: { ...TERMINAL, connect } };
}

describe("upgrade status", () => {
  test("asks each member what it runs, and says what can be done", async () => {
    const cluster = clusterOf([NEW, null, OLD]);
    const { asked, open, io } = asking({ node2: "0.1.0" }, cluster);
    const { stdout, status } = await admin("upgrade status", () => {}, io);
    expect(stdout).toMatchInlineSnapshot(`
      "cluster works with  version 1
      upgrade             not yet: node2, node3 must run a newer tq-broker first

      ID     ROLE      HEALTHY  RUNNING  SUPPORTS
      node1  leader    yes      0.2.0    1 to 2
      node2  follower  yes      0.1.0    1 (never said)
      node3  follower  yes      -        1
      "
    `);
    expect(status).toBe(0);
    expect(asked).toEqual(["node2", "node3"]);
    expect(open.every(({ closed }) => closed)).toBe(true);
  });

  test("is for programs, too", async () => {
    const cluster = clusterOf([NEW, NEW]);
    const { io } = asking({ node2: "0.2.1" }, cluster);
    const { stdout } = await admin("upgrade status -o json", () => {}, io);
    expect(JSON.parse(stdout)).toMatchObject({
      cluster_version: 1,
      finalize_to: 2,
      members: [
        { id: "node1", running: "0.2.0", supports: NEW },
        { id: "node2", running: "0.2.1", supports: NEW },
      ],
    });
  });

  test.each([
    ["all know more", [NEW, NEW], {}, "every member knows version 2: tq-admin upgrade finalize"],
    ["it is done", [NEW, NEW], { cluster_version: 2 }, "there is nothing to finalize: no member"],
    ["one is behind", [NEW, null], {}, "not yet: node2 must run a newer tq-broker first"],
    ["the leader is behind", [null, NEW], {}, "not yet: node1 leads, and knows nothing later"],
    ["all are old", [null, OLD], {}, "there is nothing to finalize: no member knows more than"],
  ] as const)("when %s", async (_, supports, given, words) => {
    const cluster = clusterOf(supports, given);
    const { io } = asking({}, cluster);
    const { stdout } = await admin("upgrade status -o json", () => {}, io);
    const { message, finalize_to } = JSON.parse(stdout);
    expect(message).toContain(words);
    expect(finalize_to).toBe(words.startsWith("every") ? 2 : null);
  });

  test("an older broker tells nothing of what is supported", async () => {
    const members = clusterOf([null]).members.map(({ supports: _, ...old }) => old as MemberJson);
    const { stdout } = await admin("upgrade status -o json", seeing({ ...THREE, members }));
    expect(JSON.parse(stdout)).toMatchObject({ finalize_to: null, members: [{ supports: null }] });
  });
});

describe("upgrade finalize", () => {
  test("asks, for there is no way back", async () => {
    const questions: string[] = [];
    const ask = async (question: string) => {
      questions.push(question);
      return "n";
    };
    const refused = await admin("upgrade finalize", seeing(THREE), { ...TERMINAL, ask });
    expect(refused).toMatchObject({ status: 1, client: { asked: [] } });
    expect(questions).toEqual([
      "Let the cluster work with version 2 instead of 1? A tq-broker that does not know version 2 " +
        "cannot run in it from then on, nor use its data directories. There is no way back. [y/N] ",
    ]);
    const unasked = await admin("upgrade finalize", seeing(THREE));
    expect(unasked).toMatchObject({ status: 64, client: { asked: [] } });
  });

  test("--yes does it, to the version that all know or the one that is named", async () => {
    const { client, stdout } = await admin("upgrade finalize --yes", seeing(THREE), TERMINAL);
    expect(client.asked).toEqual([["raise", 2]]);
    expect(stdout).toBe("the cluster works with version 2 now; it was 1\n");
    const named = await admin("upgrade finalize --to 3 -y", seeing(THREE));
    expect(named.client.asked).toEqual([["raise", 3]]);
    expect(JSON.parse(named.stdout)).toMatchObject({ previous_cluster_version: 1 });
  });

  test("that is done already is done", async () => {
    for (const line of ["upgrade finalize", "upgrade finalize --to 2"]) {
      const done = await admin(line, seeing({ ...THREE, cluster_version: 2 }), TERMINAL);
      expect(done).toMatchObject({ status: 0, client: { asked: [] } });
      expect(done.stdout).toBe("the cluster works with version 2 already\n");
    }
  });

  test("is refused here when a member is not ready, and by the cluster in its own words", async () => {
    const early = await admin("upgrade finalize --yes", seeing(clusterOf([NEW, null])));
    expect(early).toMatchObject({ status: 1, client: { asked: [] } });
    expect(early.stderr).toContain("not yet: node2 must run a newer tq-broker first");
    const refused = await admin("upgrade finalize --yes", (fake) => {
      fake.clusters = [THREE];
      fake.error = new TqError("state_conflict", "not every member knows version 2: node2 …");
    });
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain("state_conflict: not every member knows version 2");
  });

  test("a version that is none is a usage error", async () => {
    for (const wrong of ["0", "1.5", "x"]) {
      expect((await admin(`upgrade finalize --to ${wrong} -y`, seeing(THREE))).status).toBe(64);
    }
  });
});
