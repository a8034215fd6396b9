/** The verbs about members and leadership: what they ask, whom they ask first, what they say. */
import { TqError } from "task-queue-client";
import { describe, expect, test } from "vitest";
import { admin, type FakeClient, memberJson, THREE } from "./doubles.ts";

const TERMINAL = { isTerminal: true, canAsk: true };

const three = (fake: FakeClient) => {
  fake.clusters = [THREE];
};

const withLearner = (lag: number | null) => (fake: FakeClient) => {
  const learner = memberJson("node4", { role: "learner", lag });
  fake.clusters = [{ ...THREE, members: [...THREE.members, learner] }];
};

function answering(answer: string) {
  const questions: string[] = [];
  const ask = async (question: string) => {
    questions.push(question);
    return answer;
  };
  return { questions, io: { ...TERMINAL, ask } };
}

describe("members list", () => {
  test("is a table on a terminal and an array when piped", async () => {
    const { stdout } = await admin("members list", withLearner(7), TERMINAL);
    expect(stdout).toMatchInlineSnapshot(`
      "ID     ADDRESS         ROLE      HEALTHY  MATCH  LAG  VERSION
      node1  127.0.0.1:6379  leader    yes         42    0  0.1.0
      node2  127.0.0.1:6380  follower  yes         42    0  0.1.0
      node3  127.0.0.1:6381  follower  yes         42    0  0.1.0
      node4  127.0.0.1:6382  learner   yes         42    7  0.1.0
      "
    `);
    expect(JSON.parse((await admin("members list", three)).stdout)).toEqual(THREE.members);
  });

  test("comes from the leader, else from whoever answers, which is said", async () => {
    const follower = { ...THREE, node_id: "node2", role: "follower", members: [] };
    const atFollower = await admin("members list", (fake) => {
      fake.clusters = [follower, THREE];
    });
    expect(JSON.parse(atFollower.stdout)).toHaveLength(3);
    expect(atFollower.stderr).toBe("");
    const alone = await admin("members list", (fake) => {
      fake.clusters = [follower];
      fake.members.status = () => Promise.reject(new TqError("no_leader", "gone"));
    });
    expect(alone).toMatchObject({ status: 0, stdout: "[]\n" });
    expect(alone.stderr).toContain("the leader was not reached; this is what node2 knows");
    const leaderless = await admin("members list", (fake) => {
      fake.clusters = [{ ...THREE, leader_id: null }];
    });
    expect(leaderless.stderr).toContain("there is no leader");
  });
});

describe("members add", () => {
  test("makes a learner and says what comes next", async () => {
    const line = "members add node4@10.0.1.14:6379/7000";
    const { status, stdout, client } = await admin(line, three);
    expect(status).toBe(0);
    expect(client.asked).toEqual([["add", "node4@10.0.1.14:6379/7000"]]);
    expect(JSON.parse(stdout)).toMatchObject({ id: "node4", role: "learner" });
    const said = await admin(line, three, TERMINAL);
    expect(said.stdout).toBe(
      "node4 is a learner now, which does not vote; " +
        "promote it once it has caught up: tq-admin members promote node4\n",
    );
  });

  test("--promote waits until it has caught up, and while the leader says not yet", async () => {
    let lag = 12_000;
    let refusals = 2;
    const { status, stdout, stderr, client } = await admin(
      "members add node4@h:1 --promote",
      (fake) => {
        three(fake);
        const { promote, status: view } = fake.members;
        fake.members.status = async () => {
          const cluster = await view();
          lag -= 1_000;
          const members = cluster.members.map((member) =>
            member.id === "node4" ? { ...member, lag } : member,
          );
          return { ...cluster, members };
        };
        fake.members.promote = async (id, options) => {
          if (refusals-- > 0) throw new TqError("state_conflict", "a change is under way");
          return promote(id, options);
        };
      },
    );
    expect(status).toBe(0);
    expect(client.asked).toEqual([
      ["add", "node4@h:1"],
      ["promote", "node4", undefined],
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ id: "node4", role: "voter", voters: 4 });
    expect(stderr).toContain("node4 lacks 2000 entries");
  });

  test("--promote gives up when the time is over, and says how to go on", async () => {
    const { status, stdout, stderr } = await admin(
      "members add node4@h:1 --promote --timeout 20s",
      three,
    );
    expect(status).toBe(75);
    expect(stdout).toBe("");
    expect(stderr).toContain("node4 is not a voter yet: node4 lacks 5000 entries");
    expect(stderr).toContain("tq-admin members promote node4");
  });

  test("a learner that somebody removes meanwhile ends the wait", async () => {
    const { status, stderr } = await admin("members add node4@h:1 --promote", (fake) => {
      three(fake);
      fake.members.status = async () => THREE;
    });
    expect(status).toBe(1);
    expect(stderr).toContain("node4 is no member any more");
  });

  test("a refusal is the cluster's, in its words", async () => {
    const { status, stderr } = await admin("members add node2@h:1", (fake) => {
      three(fake);
      fake.error = new TqError("state_conflict", "node2 is a member already");
    });
    expect(status).toBe(1);
    expect(stderr).toBe("tq-admin: state_conflict: node2 is a member already\n");
  });
});

describe("members promote", () => {
  test("passes --force on, and says what the cluster survives now", async () => {
    const { client, stdout } = await admin(
      "members promote node4 --force",
      withLearner(9),
      TERMINAL,
    );
    expect(client.asked).toEqual([["promote", "node4", true]]);
    expect(stdout).toBe("node4 votes now; there are 4 voters, of which 1 may fail\n");
  });

  test("a voter is left as it is; an unknown id is 66 with the nearest", async () => {
    const voter = await admin("members promote node2", three);
    expect(voter).toMatchObject({ status: 0, client: { asked: [] } });
    expect(voter.stdout).toContain("was a voter already");
    const unknown = await admin("members promote nod2", three);
    expect(unknown.status).toBe(66);
    expect(unknown.stderr).toContain('there is no member "nod2"; did you mean "node2"?');
  });
});

describe("members remove", () => {
  test("shows what is left and asks; a no changes nothing", async () => {
    const { questions, io } = answering("n");
    const { status, stderr, client } = await admin("members remove node1", three, io);
    expect(status).toBe(1);
    expect(stderr).toBe("tq-admin: nothing was done\n");
    expect(client.asked).toEqual([]);
    expect(questions).toEqual([
      "Remove node1 (127.0.0.1:6379, leader, healthy)? There remain 2 voters, of which none may " +
        "fail, instead of 3 voters, of which 1 may fail. It leads: another one will take over. " +
        "[y/N] ",
    ]);
  });

  test("a yes, or --yes, removes it", async () => {
    const { io } = answering(" Yes ");
    const said = await admin("members remove node3", three, io);
    expect(said.client.asked).toEqual([["remove", "node3", false]]);
    expect(said.stdout).toBe("node3 was removed; there are 2 voters, of which none may fail\n");
    const script = await admin("members remove node3 --force -y", three);
    expect(script.client.asked).toEqual([["remove", "node3", true]]);
    expect(JSON.parse(script.stdout)).toMatchObject({ id: "node3", removed: true, voters: 2 });
  });

  test("without a terminal and --yes nothing is asked of the cluster but its members", async () => {
    const { status, client, stderr } = await admin("members remove node3", three);
    expect(status).toBe(64);
    expect(client.asked).toEqual([]);
    expect(stderr).toContain("say --yes");
  });
});

describe("members replace", () => {
  test("removes, adds and promotes", async () => {
    const { questions, io } = answering("y");
    const { status, client, stderr } = await admin(
      "members replace node3@10.0.1.23:6379 --promote --timeout 10m",
      (fake) => {
        three(fake);
        const { add } = fake.members;
        fake.members.add = async (peer) => {
          const { members, ...rest } = await add(peer);
          const caughtUp = members.map((member) => ({ ...member, lag: 0 }));
          fake.clusters = [{ ...rest, members: caughtUp }];
          return fake.clusters[0]!;
        };
      },
      io,
    );
    expect(status).toBe(0);
    expect(questions[0]).toContain(
      "Replace node3 (127.0.0.1:6381, follower, healthy)? It still runs",
    );
    expect(stderr).toContain("node3 was removed");
    expect(client.asked).toEqual([
      ["remove", "node3", false],
      ["add", "node3@10.0.1.23:6379"],
      ["promote", "node3", undefined],
    ]);
  });

  test("when adding fails it says how to go on, and again begins where it broke off", async () => {
    const broken = await admin("members replace node3@h:1 --yes", (fake) => {
      three(fake);
      fake.members.add = () => Promise.reject(new TqError("state_conflict", "h:1 does not answer"));
    });
    expect(broken.status).toBe(1);
    expect(broken.stderr).toContain("h:1 does not answer");
    expect(broken.stderr).toContain("go on with: tq-admin members add node3@h:1");
    const again = await admin("members replace node4@h:1 --yes", three);
    expect(again.status).toBe(0);
    expect(again.client.asked).toEqual([["add", "node4@h:1"]]);
  });
});

describe("transfer-leadership", () => {
  test("says who leads now", async () => {
    const { status, stdout, client } = await admin("transfer-leadership", three, TERMINAL);
    expect(status).toBe(0);
    expect(stdout).toBe("node2 leads now; before, it was node1\n");
    expect(client.asked).toEqual([["transfer", undefined]]);
    const named = await admin("transfer-leadership --to node3", three);
    expect(JSON.parse(named.stdout)).toMatchObject({
      leader_id: "node3",
      previous_leader_id: "node1",
      term: 8,
    });
    const already = await admin("transfer-leadership --to node1", three);
    expect(already.stdout).toContain("node1 was the leader already");
  });

  test("to nobody known is 66; without a leader 69", async () => {
    expect((await admin("transfer-leadership --to node9", three)).status).toBe(66);
    const { status, stderr } = await admin("transfer-leadership", (fake) => {
      fake.members.status = () => Promise.reject(new TqError("no_leader", "n2 knows no leader"));
    });
    expect(status).toBe(69);
    expect(stderr).toContain("n2 knows no leader");
  });
});

test("verbs that may take long have their own time, unless told otherwise", async () => {
  const timeoutOf = async (line: string) => {
    return (await admin(line, withLearner(0))).options?.timeoutMs;
  };
  expect(await timeoutOf("members add node5@h:1")).toBe(10_000);
  expect(await timeoutOf("members add node5@h:1 --promote")).toBe(600_000);
  expect(await timeoutOf("members add node5@h:1 --promote --timeout 1m")).toBe(60_000);
});
