/** Nodes that come to a cluster that is there already: asked who they are, waiting, taken in. */
import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { ClusterMember, Formation, Member } from "../../src/ports.ts";
import type { BusServer } from "../../src/transport/bus-server.ts";
import { form } from "../../src/transport/form.ts";
import { GreetError, greetMember } from "../../src/transport/greet.ts";
import type { VersionRange } from "../../src/transport/handshake.ts";
import { type PeerAddress, parsePeer, peerText } from "../../src/transport/peers.ts";
import { CLUSTER, type Journal, listen, memberOf, type Node, start, until } from "./harness.ts";

const open: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** A node with an empty data directory that looks for its cluster. */
interface Newcomer {
  readonly member: ClusterMember;
  readonly server: BusServer;
  readonly log: Journal;
  readonly formed: Promise<Formation>;
  readonly saved: Formation[];
}

interface NewcomerOptions {
  readonly incarnation?: string;
  readonly versions?: VersionRange;
  /** What it says of its own addresses. */
  readonly announced?: Partial<Member>;
}

async function newcomer(
  id: string,
  peers: readonly PeerAddress[],
  { incarnation, versions, announced }: NewcomerOptions = {},
): Promise<Newcomer> {
  const { server, log } = await listen();
  const member = { ...memberOf(id, server.port, incarnation), ...announced };
  const saved: Formation[] = [];
  const saveFormation = async (formation: Formation) => {
    saved.push(formation);
  };
  const abort = new AbortController();
  const { signal } = abort;
  const identity = { formation: undefined };
  const given = { server, identity, member, peers, saveFormation, log, signal };
  const formed = form(versions === undefined ? given : { ...given, versions });
  formed.catch(() => {});
  open.push(async () => {
    abort.abort(new Error("killed"));
    await server.close();
  });
  return { member, server, log, formed, saved };
}

function peerAt(port: number): PeerAddress {
  return { host: "127.0.0.1", port: 1, busPort: port };
}

/** A cluster of one, with its bus open. */
async function single(): Promise<Node> {
  const { server, log } = await listen();
  const node = start({ server, log, members: [memberOf("node1", server.port)], id: "node1" });
  open.push(node.stop);
  return node;
}

const nowhere = peerAt(9);
const asker = { member: memberOf("node1", 9), clusterId: CLUSTER };

describe("a node with an empty data directory", () => {
  test("waits until its cluster lists it, and then is a learner of it", async () => {
    const one = await single();
    const fresh = await newcomer("node4", [nowhere, peerAt(one.server.port)]);
    await fresh.log.said(
      "warn node4 is in no cluster yet: waiting for 127.0.0.1:9 (connect ECONNREFUSED " +
        `127.0.0.1:9); cluster ${CLUSTER} exists and node4 is not a member: ` +
        `add it with tq-admin members add ${peerText(fresh.member)}`,
    );
    expect(fresh.saved).toEqual([]);
    // Its own raft.peers name neither node2 nor node3.
    const learner = { ...fresh.member, voter: false };
    const others = [memberOf("node2", 9), memberOf("node3", 9)];
    const roster = { revision: 7, members: [one.member, ...others, learner] };
    one.bus.setRoster(roster);
    expect(await fresh.formed).toEqual({ clusterId: CLUSTER, ...roster });
    expect(fresh.saved).toEqual([{ clusterId: CLUSTER, ...roster }]);
    const { server, log, member } = fresh;
    const joined = start({ server, log, ...roster, id: member.id });
    open.push(() => joined.bus.close());
    await until(() => one.heard.peers.includes("+node4") && joined.heard.peers.includes("+node1"));
  });

  test("is told how to take the place of its former self", async () => {
    const one = await single();
    const former = memberOf("node4", 9);
    one.bus.setRoster({ revision: 1, members: [one.member, former] });
    const fresh = await newcomer("node4", [peerAt(one.server.port)], { incarnation: "fresh" });
    await fresh.log.said(
      "node4 has incarnation fresh, but the cluster knows it as node4-incarnation: " +
        "its data directory is another one; bring the old one back, or replace the member: " +
        `tq-admin members replace ${peerText(fresh.member)}`,
    );
    one.bus.setRoster({ revision: 2, members: [one.member] });
    await until(() => one.bus.peers().length === 0);
    one.bus.setRoster({ revision: 3, members: [one.member, { ...fresh.member, voter: false }] });
    expect((await fresh.formed).revision).toBe(3);
  });
});

describe("a node that belongs to a cluster", () => {
  test("needs no peers in its configuration to grow", async () => {
    const { server, log } = await listen();
    open.push(() => server.close());
    const member = memberOf("node1", server.port);
    const formation = { clusterId: CLUSTER, revision: 0, members: [member] };
    const saveFormation = () => Promise.reject(new Error("nothing to save"));
    const identity = { formation };
    expect(await form({ server, identity, member, peers: [], saveFormation, log })).toBe(formation);
    const one = start({ server, log, members: [member], id: "node1" });
    open.push(() => one.bus.close());
    const fresh = await newcomer("node2", [peerAt(server.port)]);
    const found = await greetMember(parsePeer(peerText(fresh.member)), asker);
    one.bus.setRoster({ revision: 1, members: [member, { ...found, voter: false }] });
    const { members } = await fresh.formed;
    expect(members.map(({ id, voter }) => [id, voter])).toEqual([
      ["node1", true],
      ["node2", false],
    ]);
  });

  test("tells its address as it is configured now", async () => {
    const { server, log } = await listen();
    const old = memberOf("node1", 9);
    const member = memberOf("node1", server.port);
    const one = start({ server, log, members: [old], member, id: "node1" });
    open.push(one.stop);
    const error = await greetMember(peerAt(server.port), asker).catch((reason: Error) => reason);
    expect((error as Error).message).toContain(`node1 at ${member.bus} belongs to this cluster`);
  });
});

describe("greetMember", () => {
  const { voter: _, ...unlisted } = memberOf("node4", 1);

  test("finds a node that waits", async () => {
    const fresh = await newcomer("node4", [nowhere]);
    const { busPort, ...peer } = parsePeer(peerText(fresh.member));
    expect(busPort).toBe(fresh.server.port);
    const found = await greetMember({ ...peer, busPort }, asker);
    const { bus, address } = fresh.member;
    expect(found).toEqual({ ...unlisted, bus, address });
  });

  async function refusal(peer: PeerAddress, changes = {}): Promise<string> {
    const error = await greetMember(peer, { ...asker, patienceMs: 0, ...changes }).catch(
      (cause) => cause,
    );
    expect(error).toBeInstanceOf(GreetError);
    return (error as Error).message;
  }

  test("refuses when nobody answers, or not in time", async () => {
    expect(await refusal(nowhere)).toBe(
      "no broker answers at 127.0.0.1:9 (connect ECONNREFUSED 127.0.0.1:9): " +
        "start it with raft.enabled: true, and open its bus port to the others",
    );
    const mute = createServer((socket) => socket.on("error", () => {}).resume());
    mute.listen(0, "127.0.0.1");
    await once(mute, "listening");
    open.push(() => mute.close());
    const { port } = mute.address() as { port: number };
    expect(await refusal(peerAt(port))).toContain(
      `127.0.0.1:${port} (no answer within 2 s): start`,
    );
  });

  test("refuses a node that is not what was asked for", async () => {
    const fresh = await newcomer("node4", [nowhere]);
    const peer = peerAt(fresh.server.port);
    const at = fresh.member.bus;
    expect(await refusal({ ...peer, id: "node5" })).toBe(
      `the broker at ${at} calls itself node4, not node5: correct one of the two`,
    );
    expect(await refusal(peer, { versions: { min: 3, max: 4 } })).toBe(
      "no common bus protocol: node4 speaks 1 to 2, node1 speaks 3 to 4; " +
        "upgrade the older of the two",
    );
  });

  test("refuses a node of a cluster, be it this one or another", async () => {
    const one = await single();
    const peer = peerAt(one.server.port);
    const at = `node1 at ${one.member.bus}`;
    const advice = "only a node with an empty persistence.data_dir can be added";
    expect(await refusal(peer)).toBe(`${at} belongs to this cluster already, or did: ${advice}`);
    expect(await refusal(peer, { clusterId: "other" })).toBe(
      `${at} belongs to cluster ${CLUSTER}: ${advice}`,
    );
  });

  test("refuses addresses that the others cannot use", async () => {
    const bad = await newcomer("node4", [nowhere], { announced: { address: "nowhere" } });
    expect(await refusal(peerAt(bad.server.port))).toContain(
      'the address of member "node4" is no host:port',
    );
  });
});
