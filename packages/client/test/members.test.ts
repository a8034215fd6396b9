/** Changes of members and leader: found their way to the leader, and never made twice by accident. */
import { describe, expect, test } from "vitest";
import type { Client } from "../src/index.ts";
import { SeenIndex } from "../src/seen-index.ts";
import { client, FakeCluster, openPort, openProxy, type TestPort, until } from "./harness.ts";

interface Made {
  readonly cluster: FakeCluster;
  readonly ports: readonly TestPort[];
  /** Names of the changes that were made. */
  readonly changes: string[];
}

async function clusterOf(nodes: number): Promise<Made> {
  const cluster = new FakeCluster(nodes);
  const ports: TestPort[] = [];
  for (const node of cluster.nodes) ports.push(await openPort(node));
  const changes: string[] = [];
  cluster.onChange = (name) => void changes.push(name);
  return { cluster, ports, changes };
}

function at(port: TestPort): Client {
  return client({ servers: `127.0.0.1:${port.port}` });
}

describe("asked of any broker", () => {
  test("a change is made by the leader, and answered with the cluster after it", async () => {
    const { ports, changes } = await clusterOf(3);
    const tq = at(ports[2]!);
    expect((await tq.cluster()).node_id).toBe("n3");
    const added = await tq.members.add("n4@127.0.0.1:7000");
    expect(added).toMatchObject({ node_id: "n1", leader_id: "n1" });
    expect(added.members.at(-1)).toMatchObject({ id: "n4", role: "learner" });
    const promoted = await tq.members.promote("n4");
    expect(promoted.members.at(-1)).toMatchObject({ id: "n4", role: "follower" });
    expect((await tq.members.remove("n3")).members.map(({ id }) => id)).toEqual(["n1", "n2", "n4"]);
    expect(changes).toEqual(["add", "promote", "remove"]);
  });

  test("leadership goes to whom it is given, and back again", async () => {
    const { ports, cluster, changes } = await clusterOf(3);
    const tq = at(ports[2]!);
    expect(await tq.members.transferLeadership({ to: "n2" })).toMatchObject({ leader_id: "n2" });
    expect(cluster.leader?.nodeId).toBe("n2");
    expect(await tq.members.transferLeadership({ to: "n1" })).toMatchObject({ leader_id: "n1" });
    expect((await tq.members.transferLeadership()).leader_id).not.toBe("n1");
    expect(changes).toHaveLength(3);
    const leader = cluster.leader!.nodeId;
    await tq.members.transferLeadership({ to: leader });
    expect(changes).toHaveLength(3);
  });

  test("the version is raised once, to the one that is asked for or the leader's own", async () => {
    const { ports, changes } = await clusterOf(3);
    const tq = at(ports[1]!);
    expect((await tq.members.status()).cluster_version).toBe(1);
    expect(await tq.members.raiseVersion()).toMatchObject({ cluster_version: 2, node_id: "n1" });
    expect(await tq.members.raiseVersion({ to: 2 })).toMatchObject({ cluster_version: 2 });
    await expect(tq.members.raiseVersion({ to: 3 })).rejects.toMatchObject({
      code: "state_conflict",
    });
    expect(changes).toEqual(["raise", "raise"]);
  });

  test("the status is the leader's", async () => {
    const { ports, cluster } = await clusterOf(2);
    const tq = at(ports[1]!);
    expect((await tq.members.status()).node_id).toBe("n1");
    cluster.elect(ports[1]!.node);
    expect((await tq.members.status()).node_id).toBe("n2");
  });

  test("a refusal is the caller's business at once", async () => {
    const { ports, changes } = await clusterOf(1);
    const tq = at(ports[0]!);
    await tq.members.add("n2@h:1");
    await expect(tq.members.add("n2@h:1")).rejects.toMatchObject({ code: "state_conflict" });
    await expect(tq.members.remove("n7")).rejects.toMatchObject({ code: "not_found" });
    await expect(tq.members.add("h:1")).rejects.toMatchObject({ code: "invalid_request" });
    expect(changes).toEqual(["add"]);
  });
});

describe("when the answer is lost", () => {
  test.each([
    ["add", (tq: Client) => tq.members.add("n3@h:1")],
    ["remove", (tq: Client) => tq.members.remove("n2")],
    ["transfer", (tq: Client) => tq.members.transferLeadership()],
    ["raise", (tq: Client) => tq.members.raiseVersion()],
  ] as const)("%s is not made again", async (_name, act) => {
    const { ports, cluster, changes } = await clusterOf(2);
    const proxy = await openProxy(ports[0]!.port);
    cluster.nodes[0]!.address = proxy.address;
    const tq = client({ servers: proxy.address });
    await tq.cluster();
    cluster.onChange = (name) => {
      changes.push(name);
      // The leader has done it; its word does not arrive.
      if (changes.length > 1) return undefined;
      proxy.cut();
      return new Promise(() => {});
    };
    const after = await act(tq);
    expect(changes).toHaveLength(1);
    expect(after.leader_id).toBe(cluster.leader?.nodeId);
    expect(after.members.map(({ id }) => id)).toEqual(cluster.members.map(({ id }) => id));
  });

  test("and it was not made, it is sent again", async () => {
    const { ports, cluster, changes } = await clusterOf(1);
    const proxy = await openProxy(ports[0]!.port);
    cluster.nodes[0]!.address = proxy.address;
    const tq = client({ servers: proxy.address });
    await tq.cluster();
    cluster.onChange = async (name) => {
      changes.push(name);
      if (changes.length > 1) return;
      cluster.learners.clear();
      proxy.cut();
      await new Promise(() => {});
    };
    const after = await tq.members.add("n2@h:1");
    expect(changes).toEqual(["add", "add"]);
    expect(after.members.map(({ id }) => id)).toEqual(["n1", "n2"]);
  });
});

describe("without a leader that can be reached", () => {
  test("nobody leads: certainly not done, and it says so", async () => {
    const { ports, cluster, changes } = await clusterOf(2);
    cluster.elect(undefined);
    const tq = at(ports[1]!);
    await tq.cluster();
    const error = await tq.members.remove("n1", { deadlineMs: 1_000 }).catch((caught) => caught);
    expect(error).toMatchObject({ code: "no_leader" });
    expect(error.message).toContain("n2 knows no leader");
    expect(changes).toEqual([]);
  });

  test("it appears in time: the change is made", async () => {
    const { ports, cluster } = await clusterOf(2);
    cluster.elect(undefined);
    const tq = at(ports[1]!);
    const removed = tq.members.remove("n1");
    await tq.cluster();
    cluster.elect(ports[1]!.node);
    expect((await removed).members.map(({ id }) => id)).toEqual(["n2"]);
  });

  test("its address leads nowhere: the error names it", async () => {
    const { ports, cluster } = await clusterOf(2);
    cluster.nodes[0]!.address = "127.0.0.1:1";
    const tq = at(ports[1]!);
    await tq.cluster();
    const error = await tq.members.status({ deadlineMs: 1_000 }).catch((caught) => caught);
    expect(error).toMatchObject({ code: "no_leader" });
    expect(error.message).toContain("n1 leads, at 127.0.0.1:1, and was not reached there");
  });

  test("a client that stays follows nobody", async () => {
    const { ports } = await clusterOf(2);
    const servers = `127.0.0.1:${ports[1]!.port}`;
    const tq = client({ servers, stay: true });
    const search = tq.members.status({ deadlineMs: 500 });
    await expect(search).rejects.toMatchObject({ code: "no_leader" });
    expect((await tq.cluster()).node_id).toBe("n2");
  });

  test("an abort ends the search", async () => {
    const { ports, cluster } = await clusterOf(1);
    cluster.elect(undefined);
    const stop = new AbortController();
    const tq = at(ports[0]!);
    const search = tq.members.status({ signal: stop.signal });
    search.catch(() => {});
    await tq.cluster();
    stop.abort(new Error("enough"));
    await expect(search).rejects.toThrow("enough");
  });
});

describe("reading one's own writes", () => {
  test("a stale read waits for what this client has done, on any broker", async () => {
    const { ports, cluster } = await clusterOf(2);
    const [one, two] = [ports[0]!, ports[1]!];
    const tq = client({ servers: `127.0.0.1:${one.port}` });
    await tq.list({ consistency: "stale" });
    expect(one.node.barriers.at(-1)).toEqual({ consistency: "stale", minIndex: 0 });
    const { id } = await tq.submit("t", 1);
    const written = cluster.index;
    expect(written).toBeGreaterThan(0);
    await tq.list({ consistency: "stale" });
    expect(one.node.barriers.at(-1)).toEqual({ consistency: "stale", minIndex: written });
    await tq.cancel(id);
    cluster.elect(two.node);
    await one.server.close();
    await until(() => one.server.connections === 0);
    await tq.list({ consistency: "stale" });
    expect(two.node.barriers.at(-1)).toEqual({ consistency: "stale", minIndex: cluster.index });
    expect(cluster.index).toBeGreaterThan(written);
  });

  test("a linearizable read needs no index", async () => {
    const { ports } = await clusterOf(1);
    const tq = at(ports[0]!);
    await tq.submit("t", 1);
    await tq.list();
    expect(ports[0]!.node.barriers.at(-1)).toEqual({ consistency: "linearizable", minIndex: 0 });
  });

  test("the highest index counts, and another cluster's not at all", () => {
    const seen = new SeenIndex();
    for (const index of [5, 9, 7]) seen.note("a", index);
    expect([seen.of("a"), seen.of("b")]).toEqual([9, 0]);
    seen.note("b", 3);
    expect([seen.of("a"), seen.of("b")]).toEqual([0, 3]);
  });
});
