/** Nodes that find each other on loopback, over the real service. */
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { ClusterMember, Formation } from "../../src/ports.ts";
import { startBus } from "../../src/transport/bus.ts";
import { BusServer } from "../../src/transport/bus-server.ts";
import { form } from "../../src/transport/form.ts";
import type { PeerAddress } from "../../src/transport/peers.ts";
import { Journal, listen, memberOf, Recorder, until } from "./harness.ts";

const open: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** What survives a restart: a disk of one document, and the port. */
interface Site {
  readonly port: number;
  readonly saves: Formation[];
  disk: Formation | undefined;
}

interface Running {
  readonly member: ClusterMember;
  readonly log: Journal;
  readonly formed: Promise<Formation>;
  readonly server: BusServer;
  kill(): Promise<void>;
}

async function site(): Promise<Site> {
  const { server } = await listen();
  await server.close();
  return { port: server.port, saves: [], disk: undefined };
}

async function sites(count: number): Promise<readonly Site[]> {
  const result: Site[] = [];
  for (let i = 0; i < count; i++) result.push(await site());
  return result;
}

function peerAt(site: Site, host = "127.0.0.1"): PeerAddress {
  return { host, port: site.port, busPort: site.port };
}

type Options = { incarnation?: string; onSave?: () => Promise<void> };

async function run(id: string, at: Site, peers: readonly PeerAddress[], options: Options = {}) {
  const log = new Journal();
  const server = await BusServer.listen({ host: "127.0.0.1", port: at.port, log });
  const member = memberOf(id, at.port, options.incarnation);
  const abort = new AbortController();
  const saveFormation = async (formation: Formation) => {
    await options.onSave?.();
    at.saves.push(formation);
    at.disk = formation;
  };
  const identity = { formation: at.disk };
  const { signal } = abort;
  const formed = form({ server, identity, member, peers, saveFormation, log, signal });
  formed.catch(() => {});
  const kill = async () => {
    abort.abort(new Error("killed"));
    await server.close();
  };
  open.push(kill);
  const running: Running = { member, log, formed, server, kill };
  return running;
}

const others = (all: readonly Site[], i: number) =>
  all.filter((_, j) => j !== i).map((other) => peerAt(other));

describe("three nodes", () => {
  test("found one cluster, each saves it once, and streams open on the same ports", async () => {
    const all = await sites(3);
    const nodes = await Promise.all(all.map((at, i) => run(`node${3 - i}`, at, others(all, i))));
    const formations = await Promise.all(nodes.map((node) => node.formed));
    const [formation] = formations;
    expect(formation!.clusterId).toMatch(/^[0-9a-f]{32}$/);
    expect(formation!.members).toEqual([...nodes].reverse().map((node) => node.member));
    for (const at of all) expect(at.saves).toEqual([formation]);
    expect(formations).toEqual([formation, formation, formation]);
    expect(nodes[2]!.log.has("node1 founds the cluster of node1, node2, node3")).toBe(true);
    const heard = nodes.map(({ member, server, log }) => {
      const listener = new Recorder();
      const identity = { nodeId: member.id, incarnation: member.incarnation, boots: 1 };
      const bus = startBus({ server, identity, formation: formation!, peers: [], listener, log });
      open.push(() => bus.close());
      return listener;
    });
    await until(() => heard.every((listener) => listener.peers.length === 2));
  });

  test("one that starts late, lists itself and spells names its own way", async () => {
    const all = await sites(3);
    const everybody = all.map((at) => peerAt(at, "localhost"));
    const first = await run("node1", all[0]!, everybody);
    const second = await run("node2", all[1]!, others(all, 1));
    await second.log.said(`node2 looks for its cluster at 127.0.0.1:${all[0]!.port}`);
    const third = await run("node3", all[2]!, everybody);
    const formations = await Promise.all([first, second, third].map((node) => node.formed));
    expect(new Set(formations.map((formation) => formation.clusterId)).size).toBe(1);
  });

  test("the founder dies right after its save and, restarted, hands out the same", async () => {
    const all = await sites(3);
    let died!: () => void;
    const dead = new Promise<void>((resolve) => {
      died = resolve;
    });
    const onSave = async () => {
      // On disk, but nobody has heard of it.
      all[0]!.disk = { clusterId: "", revision: 0, members: [] };
      died();
      await new Promise(() => {});
    };
    const founder = await run("node1", all[0]!, others(all, 0), { onSave });
    const second = await run("node2", all[1]!, others(all, 1));
    const third = await run("node3", all[2]!, others(all, 2));
    await dead;
    await founder.kill();
    expect(all[1]!.disk ?? all[2]!.disk).toBeUndefined();
    const members = [founder, second, third].map((node) => node.member);
    all[0]!.disk = { clusterId: "f".repeat(32), revision: 0, members };
    const again = await run("node1", all[0]!, others(all, 0));
    const formations = await Promise.all([again, second, third].map((node) => node.formed));
    expect(formations.map((formation) => formation.clusterId)).toEqual(
      Array(3).fill("f".repeat(32)),
    );
  });

  test("a member that was away learns of the cluster from any other", async () => {
    const all = await sites(3);
    const hang = () => new Promise<void>(() => {});
    const first = await run("node1", all[0]!, others(all, 0));
    const second = await run("node2", all[1]!, others(all, 1));
    const third = await run("node3", all[2]!, others(all, 2), { onSave: hang });
    await Promise.all([second.formed, until(() => all[0]!.disk !== undefined)]);
    await Promise.all([third.kill(), first.kill()]);
    const again = await run("node3", all[2]!, others(all, 2));
    expect(await again.formed).toEqual(await second.formed);
  });
});

describe("a node that cannot form", () => {
  test("says whose lists differ", async () => {
    const all = await sites(3);
    const one = await run("node1", all[0]!, others(all, 0));
    const two = await run("node2", all[1]!, [peerAt(all[0]!)]);
    const three = await run("node3", all[2]!, others(all, 2));
    await one.log.said(
      "warn node1 is in no cluster yet: node2 counts node1, node2 as members, " +
        "where this cluster would be node1, node2, node3: make raft.peers name the same",
    );
    expect(all.every((at) => at.disk === undefined)).toBe(true);
    // Corrected, they form.
    await two.kill();
    const again = await run("node2", all[1]!, others(all, 1));
    const formations = await Promise.all([one, again, three].map((node) => node.formed));
    expect(formations[0]!.members.length).toBe(3);
  });

  test("says whom it cannot reach and why, and what a cluster without it demands", async () => {
    const all = await sites(2);
    const one = await run("node1", all[0]!, []);
    const { clusterId } = await one.formed;
    const two = await run("node2", all[1]!, [
      peerAt(all[0]!),
      { host: "127.0.0.1", port: 1, busPort: 9 },
    ]);
    await two.log.said(
      "warn node2 is in no cluster yet: " +
        "waiting for 127.0.0.1:9 (connect ECONNREFUSED 127.0.0.1:9); " +
        `cluster ${clusterId} exists and node2 is not a member: add it with ` +
        `tq-admin members add node2@127.0.0.1:${all[1]!.port + 1}/${all[1]!.port}`,
    );
    expect(all[1]!.disk).toBeUndefined();
  });

  test("a wiped member is told to be replaced", async () => {
    const all = await sites(2);
    const one = await run("node1", all[0]!, others(all, 0));
    const two = await run("node2", all[1]!, others(all, 1));
    await Promise.all([one.formed, two.formed]);
    await two.kill();
    all[1]!.disk = undefined;
    const wiped = await run("node2", all[1]!, others(all, 1), { incarnation: "new" });
    await wiped.log.said(
      "node2 has incarnation new, but the cluster knows it as node2-incarnation: " +
        "its data directory is another one; bring the old one back, or replace the member: " +
        "tq-admin members replace node2@127.0.0.1:",
    );
    expect(all[1]!.disk).toBeUndefined();
  });

  test("two nodes of one name are told apart", async () => {
    const all = await sites(2);
    const one = await run("same", all[0]!, others(all, 0), { incarnation: "a" });
    await run("same", all[1]!, others(all, 1), { incarnation: "b" });
    await one.log.said("calls itself same too: give each node its own raft.node_id");
  });

  test("fails when its document cannot be saved", async () => {
    const at = await site();
    const onSave = () => Promise.reject(new Error("no space left"));
    const node = await run("node1", at, [], { onSave });
    await expect(node.formed).rejects.toThrow("no space left");
  });

  test("stops when told to, noise on its port notwithstanding", async () => {
    const all = await sites(2);
    const node = await run("node1", all[0]!, others(all, 0));
    const noise = connect(all[0]!.port, "127.0.0.1").on("error", () => {});
    noise.resume().end(Buffer.alloc(1000, 1));
    await until(() => noise.destroyed);
    await node.kill();
    await expect(node.formed).rejects.toThrow("killed");
  });
});
