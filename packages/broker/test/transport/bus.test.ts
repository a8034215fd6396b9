/** Real buses on loopback: what arrives, in what order, and how a lost peer is noticed. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import type { Entry, Message } from "task-queue-raft";
import { afterEach, describe, expect, test, vi } from "vitest";
import { BusServer } from "../../src/transport/bus-server.ts";
import { CONNECTIONS_PER_ADDRESS_MAX, OUTBOX_BYTES_MAX } from "../../src/transport/limits.ts";
import { STREAM_KINDS } from "../../src/transport/raft-service.ts";
import {
  Journal,
  listen,
  memberOf,
  type Node,
  Relay,
  relayProcess,
  start,
  startCluster,
  stopAll,
  until,
} from "./harness.ts";

const open: { stop(): Promise<unknown> }[] = [];

function track<T extends { stop(): Promise<unknown> }>(resource: T): T {
  open.push(resource);
  return resource;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((resource) => resource.stop()));
});

async function cluster(count: number): Promise<readonly Node[]> {
  const nodes = await startCluster(count);
  track({ stop: () => stopAll(nodes) });
  return nodes;
}

async function relayTo(port: number): Promise<Relay> {
  const relay = (await Relay.open()).to(port);
  track({ stop: () => relay.close() });
  return relay;
}

function heartbeat(round: number, from = "node1", to = "node2"): Message {
  return { type: "heartbeat", from, to, term: 1, commit: 0, round };
}

function append(index: number, bytes: number, from = "node1", to = "node2"): Message {
  const data = new Uint8Array(bytes).fill(index);
  const entry: Entry = { term: 1, index, kind: "normal", data };
  const prev = { term: 1, index: index - 1 };
  return { type: "append", from, to, term: 1, prev, commit: 0, entries: [entry] };
}

const plain = (message: Message) => ({ message, beacon: undefined });

/** node1 reaches node2 through `port`; node2 reaches node1 directly. */
async function pair(portOf: (target: number) => Promise<number>): Promise<readonly [Node, Node]> {
  const [first, second] = [await listen(), await listen()];
  const one = memberOf("node1", first.server.port);
  const two = memberOf("node2", second.server.port);
  const through = memberOf("node2", await portOf(second.server.port));
  const b = track(start({ ...second, members: [one, two], id: "node2" }));
  const a = track(start({ ...first, members: [one, through], id: "node1" }));
  await until(() => b.heard.peers.includes("+node1") && a.bus.peers()[0]!.outbound);
  return [a, b];
}

describe("messages", () => {
  test("arrive with their beacons, in order on each stream", async () => {
    const [one, two] = await cluster(2);
    const effectHash = "0123456789abcdef";
    const beacon = {
      wallMs: Date.now(),
      applied: 3,
      priority: 7,
      diskLow: false,
      intakeClosed: false,
      effectHash,
    };
    const beats = Array.from({ length: 500 }, (_, i) => heartbeat(i));
    const appends = Array.from({ length: 200 }, (_, i) => append(i + 1, (i % 7) * 300));
    for (const message of beats) one!.bus.send({ message, beacon });
    for (const message of appends) one!.bus.send(plain(message));
    const commands = Array.from({ length: 300 }, (_, i) => ({
      requestId: i,
      command: new Uint8Array(i).fill(i),
    }));
    one!.bus.forward("node2", commands);
    two!.bus.forwardReply("node1", [
      { requestId: 1, outcome: undefined },
      { requestId: 2, outcome: { reply: new Uint8Array([9]), index: 77 } },
    ]);
    await until(() => two!.heard.envelopes.length === 700 && two!.heard.forwards.length === 300);
    await until(() => one!.heard.replies.length === 2);
    expect(two!.heard.messages.filter(({ type }) => type === "heartbeat")).toEqual(beats);
    expect(two!.heard.messages.filter(({ type }) => type === "append")).toEqual(appends);
    expect(two!.heard.envelopes.find((e) => e.message.type === "heartbeat")?.beacon).toEqual(
      beacon,
    );
    expect(two!.heard.forwards).toEqual(commands);
    expect(one!.heard.replies[1]?.outcome).toEqual({ reply: new Uint8Array([9]), index: 77 });
  });

  test("of the largest size pass; a larger one is a bug", async () => {
    const [one, two] = await cluster(2);
    const largest = append(1, 8 * 1024 * 1024 - 100);
    one!.bus.send(plain(largest));
    await until(() => two!.heard.envelopes.length === 1);
    // A generic comparison of millions of bytes takes seconds.
    const [received] = two!.heard.messages;
    if (received?.type !== "append" || largest.type !== "append") throw new Error("no append");
    expect(Buffer.compare(received.entries[0]!.data, largest.entries[0]!.data)).toBe(0);
    expect(() => one!.bus.send(plain(append(1, 8 * 1024 * 1024)))).toThrow(/a bus message of/);
  });

  test("to nobody and to strangers are dropped", async () => {
    const { server, log } = await listen();
    const members = [memberOf("node1", server.port), memberOf("node2", 9)];
    const node = track(start({ server, log, members, id: "node1" }));
    node.bus.send(plain(heartbeat(1)));
    node.bus.send(plain(heartbeat(1, "node1", "node9")));
    node.bus.forward("node2", [{ requestId: 1, command: new Uint8Array(1) }]);
    expect(node.bus.peers()).toEqual([
      { id: "node2", inbound: false, outbound: false, waitingBytes: 0, dropped: 0 },
    ]);
  });
});

describe("connections", () => {
  test("are two from each peer, and stay two", async () => {
    const nodes = await cluster(3);
    for (const node of nodes) expect(node.server.connections).toBe(4);
    for (const node of nodes) {
      for (const peer of nodes) {
        if (peer !== node) node.bus.send(plain(append(1, 9, node.member.id, peer.member.id)));
      }
    }
    await until(() => nodes.every((node) => node.heard.envelopes.length === 2));
    for (const node of nodes) expect(node.server.connections).toBe(4);
  });

  test("carry heartbeats past entries that are stuck, and bound what waits", async () => {
    let relay!: Relay;
    const [one, two] = await pair(async (target) => {
      relay = await relayTo(target);
      return relay.port;
    });
    one.bus.send(plain(append(1, 1024 * 1024)));
    await until(() => two.heard.envelopes.length === 1);
    relay.holdBusiest();
    for (let index = 2; index < 60; index++) one.bus.send(plain(append(index, 1024 * 1024)));
    const [status] = one.bus.peers();
    expect(status!.dropped).toBeGreaterThan(30);
    expect(status!.waitingBytes).toBeLessThanOrEqual(OUTBOX_BYTES_MAX.append);
    expect(
      one.log.has(/node2 reads its append stream too slowly: messages to it are dropped/),
    ).toBe(true);
    one.bus.send(plain(heartbeat(7)));
    await until(() => two.heard.messages.some((message) => message.type === "heartbeat"));
    expect(two.heard.messages.some((m) => m.type === "append" && m.entries[0]!.index > 30)).toBe(
      false,
    );
  });

  test("wait for a peer that listens but is not ready", async () => {
    const [first, second] = [await listen(), await listen()];
    const members = [memberOf("node1", first.server.port), memberOf("node2", second.server.port)];
    const one = track(start({ ...first, members, id: "node1" }));
    await one.log.said(/node2 at .*: no connection: not ready for this yet: try again/);
    const two = track(start({ ...second, members, id: "node2" }));
    await until(() => two.heard.peers.includes("+node1") && one.bus.peers()[0]!.outbound);
  });

  test("follow a member to the address that the configuration gives it", async () => {
    const [first, second] = [await listen(), await listen()];
    const members = [memberOf("node1", first.server.port), memberOf("node2", 9)];
    const moved = { id: "node2", host: "127.0.0.1", port: 1, busPort: second.server.port };
    const two = track(start({ ...second, members, id: "node2" }));
    track(start({ ...first, members, id: "node1", peers: [moved] }));
    await until(() => two.heard.peers.includes("+node1"));
  });
});

describe("a lost peer", () => {
  test("whose process is killed is reported at once, without waiting for keepalive", async () => {
    let child!: Awaited<ReturnType<typeof relayProcess>>["child"];
    const [one, two] = await pair(async (target) => {
      const relay = await relayProcess(target);
      child = relay.child;
      return relay.port;
    });
    child.kill("SIGKILL");
    await once(child, "exit");
    // The kernel has ended the connections by now; a keepalive is thousands of turns away.
    for (let turn = 0; turn < 100; turn++) await nextTurn();
    expect(two.heard.peers).toEqual(["+node1", "-node1"]);
    await one.log.said(/node2 at .*: no connection: connect ECONNREFUSED 127\.0\.0\.1:\d+$/);
    expect(one.bus.peers()[0]!.outbound).toBe(false);
  });

  // Closed in that very turn, a stream with unsent bytes can make Node's http2 loop for ever.
  test("loses the streams of its connection in a later turn than the one that saw it", async () => {
    let cancelled = 0;
    const open = grpc.Client.prototype.makeClientStreamRequest;
    const spy = vi.spyOn(grpc.Client.prototype, "makeClientStreamRequest");
    spy.mockImplementation(function (this: grpc.Client, ...given: Parameters<typeof open>) {
      const call = open.apply(this, given);
      const cancel = call.cancel.bind(call);
      call.cancel = () => {
        cancelled++;
        cancel();
      };
      return call;
    } as typeof open);
    track({ stop: async () => spy.mockRestore() });
    let relay!: Relay;
    const [one] = await pair(async (target) => {
      relay = await relayTo(target);
      return relay.port;
    });
    const seen: number[] = [];
    one.log.warn = () => seen.push(cancelled);
    relay.cut();
    await until(() => seen.length > 0 && cancelled >= STREAM_KINDS.length);
    expect(seen[0]).toBe(0);
  });

  test("reconnects after a reset and goes on", async () => {
    let relay!: Relay;
    const [one, two] = await pair(async (target) => {
      relay = await relayTo(target);
      return relay.port;
    });
    relay.cut();
    await until(() => two.heard.peers.length === 3 && one.bus.peers()[0]!.outbound);
    expect(two.heard.peers).toEqual(["+node1", "-node1", "+node1"]);
    one.bus.send(plain(heartbeat(1)));
    await until(() => two.heard.envelopes.length === 1);
  });

  test("that restarts is dialled as soon as it dials", async () => {
    const [first, second] = [await listen(), await listen()];
    const members = [memberOf("node1", first.server.port), memberOf("node2", second.server.port)];
    // With this dice, node1 would wait for hours before it tries again by itself.
    const one = track(start({ ...first, members, id: "node1", random: () => 1e6 }));
    await one.log.said(/not ready for this yet/);
    const two = track(start({ ...second, members, id: "node2" }));
    await until(() => two.heard.peers.includes("+node1") && one.bus.peers()[0]!.outbound);
    await two.stop();
    await one.log.said(/no connection: connect ECONNREFUSED|no connection: Connection dropped/);
    await until(() => one.heard.peers.at(-1) === "-node2");
    const log = new Journal();
    const server = await BusServer.listen({ host: "127.0.0.1", port: second.server.port, log });
    const again = track(start({ server, log, members, id: "node2", boots: 2 }));
    await until(() => again.heard.peers.includes("+node1") && one.bus.peers()[0]!.outbound);
    expect(one.heard.peers).toEqual(["+node2", "-node2", "+node2"]);
  });

  test("that says nothing is found by keepalive", async () => {
    let relay!: Relay;
    const [one, two] = await pair(async (target) => {
      relay = await relayTo(target);
      return relay.port;
    });
    relay.hold();
    await until(() => two.heard.peers.includes("-node1") && !one.bus.peers()[0]!.outbound);
  });
});

describe("a stream that is replaced", () => {
  async function replaced(boots: number) {
    let relay!: Relay;
    const [one, two] = await pair(async (target) => {
      relay = await relayTo(target);
      return relay.port;
    });
    relay.hold();
    const members = [one.member, two.member];
    const again = track(start({ ...(await listen()), members, id: "node1", boots }));
    await until(() => again.bus.peers()[0]!.outbound);
    return { two, again, relay };
  }

  test("in the same life of the peer is not heard of, then or later", async () => {
    const { two, again, relay } = await replaced(1);
    const before = two.server.connections;
    relay.cut();
    await until(() => two.server.connections < before);
    again.bus.send(plain(heartbeat(1)));
    await until(() => two.heard.envelopes.length === 1);
    expect(two.heard.peers).toEqual(["+node1"]);
  });

  test("by the peer's next life is so once the former one is found dead, and not before", async () => {
    const { two, again } = await replaced(2);
    expect(two.heard.peers).toEqual(["+node1", "-node1", "+node1"]);
    await two.log.said(/start 1 of node1 is still connected: try again when it has ended/);
    again.bus.send(plain(heartbeat(1)));
    await until(() => two.heard.envelopes.length === 1);
    expect(two.heard.peers).toEqual(["+node1", "-node1", "+node1"]);
  });

  test("by an earlier life is refused while the later one is connected", async () => {
    const [one, two] = await cluster(2);
    const members = [one!.member, two!.member];
    await one!.stop();
    const later = track(start({ ...(await listen()), members, id: "node1", boots: 5 }));
    await until(() => later.bus.peers()[0]!.outbound);
    const copy = track(start({ ...(await listen()), members, id: "node1", boots: 4 }));
    const words = "start 4 of node1 after start 5 was seen and is connected: is a copy of its";
    await Promise.all([copy.log.said(words), two!.log.said(words)]);
    expect(copy.bus.peers()[0]!.outbound).toBe(false);
    await later.stop();
    track(start({ ...(await listen()), members, id: "node1", boots: 4 }));
    await two!.log.said(/rolled back: start 4 of node1 after start 5 was seen: its data directory/);
  });
});

describe("the end", () => {
  test("of a bus is heard by its peers, and of a membership by the removed", async () => {
    const [one, two, three] = await cluster(3);
    await three!.bus.close();
    await until(() => one!.heard.peers.includes("-node3") && two!.heard.peers.includes("-node3"));
    one!.bus.setRoster({ revision: 1, members: [one!.member] });
    await until(() => two!.heard.peers.includes("-node1"));
    await two!.log.said(/refused: node2 is no member any more$/);
    expect(one!.bus.peers()).toEqual([]);
    one!.bus.setRoster({ revision: 2, members: [one!.member, two!.member] });
    await until(() => two!.heard.peers.at(-1) === "+node1");
  });

  test("of a bus leaves no socket to a peer that accepted it and said nothing", async () => {
    const sockets: Socket[] = [];
    const mute = createServer((socket) => sockets.push(socket.on("error", () => {}).resume()));
    mute.listen(0, "127.0.0.1");
    await once(mute, "listening");
    track({ stop: async () => mute.close() });
    const { port } = mute.address() as AddressInfo;
    const { server, log } = await listen();
    const members = [memberOf("node1", server.port), memberOf("node2", port)];
    const node = start({ server, log, members, id: "node1" });
    await until(() => sockets.length === 2);
    await node.stop();
    await until(() => sockets.every((socket) => socket.destroyed));
  });

  test("of waiting is a clear error when the port is taken", async () => {
    const { server, log } = await listen();
    track({ stop: () => server.close() });
    await expect(BusServer.listen({ host: "127.0.0.1", port: server.port, log })).rejects.toThrow(
      `the bus cannot listen on 127.0.0.1:${server.port}: port ${server.port} is in use; ` +
        "set raft.port to a free port",
    );
  });
});

describe("too many connections", () => {
  test("from one address are closed, the others stay", async () => {
    const { server, log } = await listen();
    const sockets: Socket[] = [];
    track({ stop: () => server.close() });
    for (let i = 0; i < CONNECTIONS_PER_ADDRESS_MAX; i++) {
      sockets.push(connect(server.port, "127.0.0.1").on("error", () => {}));
    }
    await until(() => server.connections === CONNECTIONS_PER_ADDRESS_MAX);
    const refused = connect(server.port, "127.0.0.1").on("error", () => {});
    await until(() => refused.destroyed);
    expect(log.has("warn too many bus connections: one from 127.0.0.1 was closed")).toBe(true);
    expect(server.connections).toBe(CONNECTIONS_PER_ADDRESS_MAX);
    for (const socket of sockets) socket.destroy();
    await until(() => server.connections === 0);
  });
});
