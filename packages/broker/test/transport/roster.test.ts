/** Members that come, go and are replaced while others look away: who reaches whom in the end. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Message } from "task-queue-raft";
import { afterEach, describe, expect, test } from "vitest";
import type { ClusterMember, Roster } from "../../src/ports.ts";
import { AddressBook } from "../../src/transport/address-book.ts";
import { Backoff } from "../../src/transport/backoff.ts";
import { BusServer } from "../../src/transport/bus-server.ts";
import { DocumentError, readFormation } from "../../src/transport/document.ts";
import { Inquiry } from "../../src/transport/inquiry.ts";
import { INQUIRIES_MAX, INQUIRY_INTERVAL_MS } from "../../src/transport/limits.ts";
import {
  CLUSTER,
  listen,
  memberOf,
  type Node,
  start,
  startCluster,
  stopAll,
  until,
} from "./harness.ts";

const open: { stop(): Promise<unknown> }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((resource) => resource.stop()));
});

async function cluster(count: number): Promise<Node[]> {
  const nodes = await startCluster(count);
  open.push({ stop: () => stopAll(nodes) });
  return [...nodes];
}

type Listening = Awaited<ReturnType<typeof listen>>;

function run(options: Parameters<typeof start>[0]): Node {
  const node = start(options);
  open.push(node);
  return node;
}

const roster = (revision: number, ...members: readonly ClusterMember[]): Roster => {
  return { revision, members };
};

const beat = (from: string, to: string, round: number): Message => {
  return { type: "heartbeat", from, to, term: 1, commit: 0, round };
};

/** Every one of these has its streams to and from every other. */
async function meshed(nodes: readonly Node[]): Promise<void> {
  await until(() =>
    nodes.every((node) => {
      const peers = node.bus.peers();
      return nodes.every((other) => {
        const status = peers.find(({ id }) => id === other.member.id);
        return other === node || (status?.inbound && status.outbound);
      });
    }),
  );
}

describe("the address book", () => {
  const [one, two, three] = ["n1", "n2", "n3"].map((id, i) => memberOf(id, 20_000 + i)) as [
    ClusterMember,
    ClusterMember,
    ClusterMember,
  ];
  const book = () => new AddressBook({ clusterId: "c", ...roster(3, one, two) }, one);

  test("takes the replica's word unless it is older", () => {
    const it = book();
    expect(it.set(roster(2, one, three))).toBe(false);
    expect(it.others).toEqual([two]);
    expect(it.set(roster(3, one, three))).toBe(true);
    expect(it.others).toEqual([three]);
    expect(it.formation).toEqual({ clusterId: "c", ...roster(3, one, three) });
  });

  test("learns from others only what is newer, of this cluster, and lists this node", () => {
    const it = book();
    expect(it.learn({ clusterId: "c", ...roster(3, one, three) })).toBe(false);
    expect(it.learn({ clusterId: "d", ...roster(9, one, three) })).toBe(false);
    expect(it.learn({ clusterId: "c", ...roster(9, three) })).toBe(false);
    const reborn = { ...one, incarnation: "reborn" };
    expect(it.learn({ clusterId: "c", ...roster(9, reborn, three) })).toBe(false);
    expect(it.others).toEqual([two]);
    expect(it.learn({ clusterId: "c", ...roster(9, one, three) })).toBe(true);
    expect(it.others).toEqual([three]);
    expect(it.set(roster(8, one, two))).toBe(false);
  });

  test("knows nobody once this node was removed", () => {
    const it = book();
    expect(it.set(roster(4, two, three))).toBe(true);
    expect([it.listsSelf, it.others]).toEqual([false, []]);
  });
});

describe("a roster from the replica", () => {
  test("counts only if no newer one is known", async () => {
    const [one, two] = await cluster(2);
    const three = memberOf("node3", 9);
    one!.bus.setRoster(roster(5, one!.member, two!.member, three));
    one!.bus.setRoster(roster(4, one!.member));
    expect(one!.bus.peers().map(({ id }) => id)).toEqual(["node2", "node3"]);
    one!.bus.setRoster(roster(5, one!.member, two!.member));
    expect(one!.bus.peers().map(({ id }) => id)).toEqual(["node2"]);
    expect(two!.heard.peers).toEqual(["+node1"]);
  });

  test("with a new incarnation ends the streams of the old one at once", async () => {
    const [one, two] = await cluster(2);
    two!.bus.send({ message: beat("node2", "node1", 1), beacon: undefined });
    await until(() => one!.heard.envelopes.length === 1);
    const fresh = await listen();
    const reborn = memberOf("node2", fresh.server.port, "reborn");
    const next = roster(1, one!.member, reborn);
    // What is still on its way from the old one must not pass for words of the new one.
    for (let i = 0; i < 50; i++) {
      two!.bus.send({ message: beat("node2", "node1", 2), beacon: undefined });
    }
    one!.bus.setRoster(next);
    expect(one!.heard.peers).toEqual(["+node2", "-node2"]);
    expect(one!.bus.peers()[0]).toMatchObject({ inbound: false, outbound: false });
    const other = run({ ...fresh, ...next, id: "node2", incarnation: "reborn" });
    await meshed([one!, other]);
    await two!.log.said(/refused: node2 (is no member any more|was replaced in cluster)/);
    other.bus.send({ message: beat("node2", "node1", 3), beacon: undefined });
    await until(() => one!.heard.messages.some((m) => m.type === "heartbeat" && m.round === 3));
    expect(one!.heard.envelopes.length).toBe(2);
    expect(one!.heard.peers).toEqual(["+node2", "-node2", "+node2"]);
  });

  test("without this node closes everything", async () => {
    const [one, two, three] = await cluster(3);
    one!.bus.setRoster(roster(1, two!.member, three!.member));
    expect(one!.bus.peers()).toEqual([]);
    expect(one!.heard.peers.filter((words) => words.startsWith("-")).length).toBe(2);
    await until(() => [two!, three!].every((node) => node.heard.peers.includes("-node1")));
    one!.bus.send({ message: beat("node1", "node2", 1), beacon: undefined });
    const again = run({
      ...(await listen()),
      ...roster(0, one!.member, two!.member),
      id: "node2",
      boots: 2,
    });
    await again.log.said(`refused: node1 was removed from cluster ${CLUSTER}`);
  });
});

describe("a node whose roster is old", () => {
  test("is reached after all the others were replaced one by one while it was away", async () => {
    const before = await cluster(4);
    const [away] = before as [Node];
    await away.stop();
    let members: readonly ClusterMember[] = before.map((node) => node.member);
    const present: Node[] = before.slice(1);
    for (let revision = 1; revision <= 3; revision++) {
      const [gone, ...stay] = present;
      const fresh = await listen();
      const id = `node${4 + revision}`;
      const kept = members.filter((member) => member.id !== gone!.member.id);
      members = [...kept, memberOf(id, fresh.server.port)];
      const next = roster(revision, ...members);
      for (const node of stay) node.bus.setRoster(next);
      const joined = run({ ...fresh, ...next, id });
      await gone!.stop();
      present.splice(0, present.length, ...stay, joined);
      await meshed(present);
    }
    // As it was when it went: it knows nobody who is there, and nobody's address.
    const back = run({
      ...(await relisten(away)),
      ...roster(0, ...before.map((node) => node.member)),
      id: "node1",
      boots: 2,
    });
    await meshed([back, ...present]);
    expect(back.log.has("who the members are now: node1, node5, node6, node7")).toBe(true);
    // Its replica has not heard of any of it yet.
    back.bus.setRoster(roster(0, ...before.map((node) => node.member)));
    expect(back.bus.peers().map(({ id }) => id)).toEqual(["node5", "node6", "node7"]);
  });

  test("finds them at a configured address, when none of them can find it", async () => {
    const [one, two, three] = await Promise.all([listen(), listen(), listen()]);
    const gone = memberOf("node1", 9);
    const moved = memberOf("node2", two.server.port);
    const fresh = memberOf("node3", three.server.port);
    // node3 knows an address of node2 where nobody listens, and is not known to node2.
    const target = run({
      ...three,
      ...roster(1, { ...moved, bus: "127.0.0.1:9" }, fresh),
      id: "node3",
    });
    const peers = [{ id: "node3", host: "127.0.0.1", port: 1, busPort: three.server.port }];
    const back = run({ ...two, ...roster(0, gone, moved), id: "node2", peers });
    await until(() => target.heard.peers.includes("+node2"));
    await until(() => back.bus.peers()[0]!.outbound);
    expect(back.log.has("node2 learned from node3 who the members are now: node2, node3")).toBe(
      true,
    );
    await one.server.close();
  });

  test("lets in whom the others have just added", async () => {
    const [one, two] = await cluster(2);
    const fresh = await listen();
    const learner = { ...memberOf("node3", fresh.server.port), voter: false };
    const next = roster(1, one!.member, two!.member, learner);
    // node2 has not got that entry yet.
    one!.bus.setRoster(next);
    const three = run({ ...fresh, ...next, id: "node3" });
    await meshed([one!, two!, three]);
    expect(two!.log.has("node2 does not know node3 yet: it knows the members of revision 0")).toBe(
      true,
    );
  });
});

describe("a request of a node whose roster is old", () => {
  const vote = (to: string, term: number): Message => {
    return { type: "vote", from: "node1", to, term, last: { term: 1, index: 3 }, transfer: false };
  };
  const reply = (to: string, term: number): Message => {
    return { type: "voteReply", from: "node1", to, term, granted: true };
  };

  test("for a node that was replaced never reaches its successor; an answer does", async () => {
    const [one, two] = await cluster(2);
    const was = two!.member.incarnation;
    await two!.stop();
    const fresh = await listen();
    const reborn = { ...memberOf("node2", fresh.server.port, "reborn"), voter: false };
    const next = roster(2, one!.member, reborn);
    const other = run({ ...fresh, ...next, id: "node2", incarnation: "reborn" });
    // The bus of node1 learns of it; what its replica knows is as old as its log.
    await meshed([one!, other]);
    one!.bus.setRoster(roster(0, one!.member, two!.member));
    const requests: Message[] = [
      { ...vote("node2", 7), type: "preVote" } as Message,
      vote("node2", 7),
      { ...beat("node1", "node2", 7) },
    ];
    for (const message of requests) {
      one!.bus.send({ message, beacon: undefined, incarnation: was });
      one!.bus.send({ message, beacon: undefined, incarnation: "" });
    }
    one!.bus.send({ message: reply("node2", 8), beacon: undefined });
    // By the time that its replica has heard of it as well.
    one!.bus.send({ message: vote("node2", 9), beacon: undefined, incarnation: "reborn" });
    await until(() => other.heard.messages.length === 2);
    expect(other.heard.messages).toEqual([reply("node2", 8), vote("node2", 9)]);
  });
});

async function relisten(node: Node): Promise<Listening> {
  const { log } = node;
  const server = await BusServer.listen({ host: "127.0.0.1", port: node.server.port, log });
  return { server, log };
}

describe("a removed node", () => {
  test("is told so when it comes back", async () => {
    const [one, two, three] = await cluster(3);
    await three!.stop();
    const next = roster(1, one!.member, two!.member);
    for (const node of [one!, two!]) node.bus.setRoster(next);
    const members = [one!, two!, three!].map((node) => node.member);
    const back = run({ ...(await listen()), ...roster(0, ...members), id: "node3", boots: 2 });
    const words =
      `refused: node3 was removed from cluster ${CLUSTER}: to use it again, ` +
      "empty its persistence.data_dir and add it with tq-admin members add";
    await back.log.said(`node1 at ${one!.member.bus}: ${words}`);
    await back.log.said(`node2 at ${two!.member.bus}: ${words}`);
    expect(back.bus.peers().every((peer) => !peer.inbound && !peer.outbound)).toBe(true);
    expect(one!.bus.peers().map(({ id }) => id)).toEqual(["node2"]);
  });

  test("asks less and less, until it hears of the peer again", () => {
    const backoff = new Backoff(() => 0.999);
    const pauses = Array.from({ length: 7 }, () => Math.ceil(backoff.pauseMs(true)));
    expect(pauses).toEqual([4998, 9995, 19_990, 39_980, 59_970, 59_970, 59_970]);
    expect(new Backoff(() => 0).pauseMs(true)).toBe(2500);
    backoff.reset();
    expect(Math.ceil(backoff.pauseMs(true))).toBe(4998);
    expect(Math.ceil(backoff.pauseMs(false))).toBe(50);
  });
});

describe("raft.peers", () => {
  test("that name a node of another cluster, or of none, are called wrong once", async () => {
    const [first, second] = await Promise.all([listen(), listen()]);
    const stranger = memberOf("node9", second.server.port);
    run({ ...second, members: [stranger], id: "node9", clusterId: "d".repeat(32) });
    const { port } = second.server;
    const peers = [{ host: "127.0.0.1", port: 1, busPort: port }];
    const members = [memberOf("node1", first.server.port)];
    const one = run({ ...first, members, id: "node1", peers });
    const words =
      `warn raft.peers lists 127.0.0.1:${port}, where node9 answers, not a member of cluster ` +
      `${CLUSTER}: correct raft.peers, or add it with tq-admin members add`;
    await one.log.said(words);
    expect(one.log.lines).toEqual([words]);
  });

  test("that name members differently, or the node itself, or nobody, are not", async () => {
    const [first, second] = await Promise.all([listen(), listen()]);
    const members = [memberOf("node1", first.server.port), memberOf("node2", second.server.port)];
    run({ ...second, ...roster(1, ...members), id: "node2" });
    const peers = [first.server.port, second.server.port, 9].map((busPort) => {
      return { host: "localhost", port: 1, busPort };
    });
    const one = run({ ...first, members, id: "node1", peers });
    await one.log.said("node1 learned from node2 who the members are now: node1, node2");
    expect(one.log.has("raft.peers")).toBe(false);
  });
});

describe("questions", () => {
  /** Somebody who never answers, whichever address of this machine is dialled. */
  async function silent() {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.on("error", () => {}).resume()));
    server.listen(0, "0.0.0.0");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    open.push({
      stop: async () => {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    });
    return { port, sockets };
  }

  const announcement = () => ({
    member: memberOf("node1", 9),
    versionMin: 1,
    versionMax: 1,
    clusterId: CLUSTER,
    peers: [],
    revision: 0,
  });

  test("go to the same address only once in a while, and never to nonsense", async () => {
    const [asked, other] = [await silent(), await silent()];
    let now = 0;
    const options = { announcement, dial: {}, onAnswer: () => {}, now: () => now };
    const inquiry = new Inquiry(options);
    open.push({ stop: async () => inquiry.close() });
    const address = `127.0.0.1:${asked.port}`;
    inquiry.ask([address, address]);
    now = INQUIRY_INTERVAL_MS - 1;
    inquiry.ask([address, "", "nonsense", "127.0.0.1:99999", `127.0.0.1:${other.port}`]);
    await until(() => other.sockets.length === 1);
    expect(asked.sockets.length).toBe(1);
    now = INQUIRY_INTERVAL_MS;
    inquiry.ask([address]);
    await until(() => asked.sockets.length === 2);
  });

  test("are few at the same time, and none after the end", async () => {
    const asked = await silent();
    const inquiry = new Inquiry({ announcement, dial: {}, onAnswer: () => {} });
    open.push({ stop: async () => inquiry.close() });
    const addresses = Array.from({ length: INQUIRIES_MAX + 5 }, (_, i) => `127.0.0.${i + 1}`);
    inquiry.ask(addresses.map((address) => `${address}:${asked.port}`));
    await until(() => asked.sockets.length === INQUIRIES_MAX);
    inquiry.close();
    inquiry.ask([`127.0.1.1:${asked.port}`]);
    await until(() => asked.sockets.every((socket) => socket.destroyed));
    expect(asked.sockets.length).toBe(INQUIRIES_MAX);
  });
});

describe("a document from elsewhere", () => {
  const good = { clusterId: "c", revision: 2, members: [memberOf("b", 1), memberOf("a", 2)] };

  test("is read with its members in order", () => {
    expect(readFormation(good)).toEqual({ ...good, members: [...good.members].reverse() });
  });

  const bad = (changes: Partial<ClusterMember>) => [{ ...memberOf("a", 2), ...changes }];
  test.each([
    [{ clusterId: "" }, "a document without a cluster id"],
    [{ revision: 2 ** 60 }, "a document of no revision"],
    [{ members: [] }, "a document of 0 members"],
    [{ members: Array.from({ length: 33 }, (_, i) => memberOf(`n${i}`, 1)) }, "of 33 members"],
    [{ members: [memberOf("a", 1), memberOf("a", 2)] }, "a document that lists a twice"],
    [{ members: bad({ id: "" }) }, '"" is no node id'],
    [{ members: bad({ id: "x".repeat(256) }) }, "is no node id"],
    [{ members: bad({ incarnation: "" }) }, 'member "a" has no incarnation'],
    [{ members: bad({ bus: "nowhere" }) }, 'the bus of member "a" is no host:port'],
    [{ members: bad({ address: "" }) }, 'the address of member "a" is no host:port'],
  ])("is refused with %o", (changes, words) => {
    expect(() => readFormation({ ...good, ...changes })).toThrow(DocumentError);
    expect(() => readFormation({ ...good, ...changes })).toThrow(words);
  });
});
