/** Whoever does not belong is told why, on both sides, and changes nothing. */
import { connect } from "node:net";
import * as grpc from "@grpc/grpc-js";
import type { Message } from "task-queue-raft";
import { afterEach, describe, expect, test } from "vitest";
import { encodeEnvelope, encodeForwards } from "../../src/transport/codec.ts";
import { dialClient } from "../../src/transport/dial.ts";
import { type Hello, judgeWelcome } from "../../src/transport/handshake.ts";
import {
  encodeHello,
  HELLO_KEY,
  RAFT_SERVICE,
  type StreamKind,
} from "../../src/transport/raft-service.ts";
import {
  CLUSTER,
  listen,
  memberOf,
  type Node,
  type NodeOptions,
  start,
  startCluster,
  stopAll,
  until,
} from "./harness.ts";

const open: { stop(): Promise<unknown> }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((resource) => resource.stop()));
});

const beat: Message = {
  type: "heartbeat",
  from: "node1",
  to: "node2",
  term: 1,
  commit: 0,
  round: 1,
};

type Fault = Partial<NodeOptions> & { readonly words: string; readonly members2?: "without node1" };

const faults: readonly (readonly [string, Fault])[] = [
  [
    "another cluster",
    {
      clusterId: "d".repeat(32),
      words: `node1 belongs to cluster ${"d".repeat(32)}, node2 to cluster ${CLUSTER}: correct`,
    },
  ],
  [
    "another incarnation",
    {
      incarnation: "feed",
      words:
        `node1 was replaced in cluster ${CLUSTER}: the member of that name has incarnation ` +
        "node1-incarnation, this one feed; switch this one off",
    },
  ],
  [
    "no common version",
    {
      versions: { min: 3, max: 4 },
      words: "no common bus protocol: node1 speaks 3 to 4, node2 speaks 1 to 2; upgrade the older",
    },
  ],
  [
    "not a member",
    {
      members2: "without node1",
      words: `node1 was removed from cluster ${CLUSTER}: to use it again, empty its persistence`,
    },
  ],
];

test.each(faults)("%s is refused, in the logs of both", async (_, fault) => {
  const [first, second] = [await listen(), await listen()];
  const members = [memberOf("node1", first.server.port), memberOf("node2", second.server.port)];
  const others = fault.members2 === undefined ? members : members.slice(1);
  const { incarnation } = fault;
  const self = memberOf("node1", first.server.port, incarnation);
  const one = start({ ...first, members: [self, members[1]!], id: "node1", ...fault });
  const two = start({ ...second, members: others, id: "node2" });
  open.push(one, two);
  await Promise.all([
    one.log.said(`node2 at 127.0.0.1:${second.server.port}: refused: ${fault.words}`),
    two.log.said(/^warn refused a bus stream from 127\.0\.0\.1:\d+: /),
  ]);
  expect(two.log.has(fault.words)).toBe(true);
  one.bus.send({ message: beat, beacon: undefined });
  one.bus.forward("node2", [{ requestId: 1, command: new Uint8Array(1) }]);
  expect(one.bus.peers()[0]).toMatchObject({ outbound: false, waitingBytes: 0 });
  expect(two.heard.peers).toEqual([]);
  expect(two.heard.envelopes).toEqual([]);
});

test("a wrong address in the configuration is named", async () => {
  const nodes = await startCluster(2);
  open.push({ stop: () => stopAll(nodes) });
  const { server, log } = await listen();
  const members = [memberOf("node3", server.port), memberOf("node4", nodes[0]!.server.port)];
  const lost = start({ server, log, members, id: "node3" });
  open.push(lost);
  await log.said("refused: this is node1, not node4: correct the addresses in raft.peers");
});

describe("the dialler's own judgement", () => {
  const self = { clusterId: CLUSTER, nodeId: "node1", incarnation: "i1", boot: 1 };
  const member = memberOf("node2", 1);
  const { incarnation } = member;
  const good = { clusterId: CLUSTER, nodeId: "node2", incarnation, boot: 1, version: 1 };
  const versions = { min: 1, max: 1 };

  test.each([
    [{ clusterId: "x" }, "node2 belongs to cluster x"],
    [{ nodeId: "node3" }, "node3 answers where node2 should"],
    [{ incarnation: "x" }, "node2 has incarnation x, but"],
    [{ version: 2 }, "node2 chose bus protocol 2, which was not offered"],
  ])("refuses a welcome with %o", (fault, words) => {
    const judgement = judgeWelcome({ ...good, ...fault }, self, versions, member);
    expect(judgement).toMatchObject({ ok: false, reason: expect.stringContaining(words) });
    expect(judgeWelcome(good, self, versions, member)).toEqual({ ok: true, version: 1 });
  });
});

/** A stream made by hand: node1 towards node2. */
function dial(port: number, kind: StreamKind, metadata: grpc.Metadata) {
  const client = dialClient(`127.0.0.1:${port}`);
  const method = RAFT_SERVICE[kind];
  let resolve!: (error: grpc.ServiceError | null) => void;
  const ended = new Promise<grpc.ServiceError | null>((r) => {
    resolve = r;
  });
  const call = client.makeClientStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    metadata,
    (error: grpc.ServiceError | null) => resolve(error),
  );
  call.on("error", () => {});
  open.push({ stop: async () => client.close() });
  return { call, ended };
}

function hello(changes: Partial<Hello> = {}): grpc.Metadata {
  const metadata = new grpc.Metadata();
  const party = { clusterId: CLUSTER, nodeId: "node1", incarnation: "node1-incarnation", boot: 1 };
  const value = { ...party, versionMin: 1, versionMax: 1, to: "node2", revision: 0 };
  metadata.set(HELLO_KEY, encodeHello({ ...value, ...changes }));
  return metadata;
}

async function alone(): Promise<Node> {
  const { server, log } = await listen();
  const members = [memberOf("node1", 9), memberOf("node2", server.port)];
  const node = start({ server, log, members, id: "node2" });
  open.push(node);
  return node;
}

test("a dialler that ends its stream is bidden farewell", async () => {
  const node = await alone();
  const { call, ended } = dial(node.server.port, "control", hello());
  await until(() => node.heard.peers.length === 1);
  call.end();
  expect(await ended).toBeNull();
  expect(node.heard.peers).toEqual(["+node1", "-node1"]);
});

describe("bytes that are not as they should be", () => {
  const good = encodeEnvelope({ message: beat, beacon: undefined });

  test("close the stream, and nothing of their frame is delivered", async () => {
    const node = await alone();
    const { call, ended } = dial(node.server.port, "control", hello());
    call.write([good]);
    await until(() => node.heard.envelopes.length === 1);
    const damaged = Buffer.from(good);
    damaged[2]! ^= 1;
    call.write([good, damaged, good]);
    const error = await ended;
    expect(error?.code).toBe(grpc.status.DATA_LOSS);
    expect(error?.details).toMatch(
      /^damaged bytes on the control stream: heartbeat fails its CRC-32: .* written, .* found$/,
    );
    expect(node.log.has(/^error damaged bytes on the control stream: .*; nothing of this/)).toBe(
      true,
    );
    expect(node.heard.envelopes.length).toBe(1);
    expect(node.heard.peers).toEqual(["+node1", "-node1"]);
  });

  test.each([
    ["append", good, "heartbeat does not belong on this stream"],
    ["forward", good, "heartbeat does not belong on this stream"],
    ["control", encodeForwards([]), "forwards does not belong on this stream"],
  ] as const)("are a good message on the wrong stream: %s", async (kind, message, words) => {
    const node = await alone();
    const { call, ended } = dial(node.server.port, kind, hello());
    call.write([message]);
    expect((await ended)?.details).toContain(words);
    expect(node.heard.envelopes).toEqual([]);
  });

  test("are a missing or unreadable hello", async () => {
    const node = await alone();
    const unreadable = new grpc.Metadata();
    unreadable.set(HELLO_KEY, Buffer.from([0xff, 0xff, 0xff]));
    for (const metadata of [new grpc.Metadata(), unreadable]) {
      const error = await dial(node.server.port, "control", metadata).ended;
      expect(error?.code).toBe(grpc.status.INVALID_ARGUMENT);
      expect(error?.details).toBe("no readable hello in the metadata (tq-hello-bin)");
    }
  });

  test("are another node's name for this one", async () => {
    const node = await alone();
    const { ended } = dial(node.server.port, "control", hello({ nodeId: "node2" }));
    expect((await ended)?.details).toContain("node2 is this node's own raft.node_id");
  });

  test("are words of a stream that was replaced", async () => {
    const node = await alone();
    const old = dial(node.server.port, "control", hello());
    old.call.write([good]);
    await until(() => node.heard.envelopes.length === 1);
    const newer = dial(node.server.port, "control", hello());
    old.call.write([good]);
    expect((await old.ended)?.details).toBe("replaced by a newer stream");
    const before = node.heard.envelopes.length;
    newer.call.write([good, good]);
    await until(() => node.heard.envelopes.length === before + 2);
    expect(node.heard.peers).toEqual(["+node1"]);
  });

  test("are a message beyond the limit", async () => {
    const node = await alone();
    const { call, ended } = dial(node.server.port, "append", hello());
    call.write([Buffer.alloc(8 * 1024 * 1024 + 60_000)]);
    call.write([Buffer.alloc(1)]);
    expect((await ended)?.code).toBe(grpc.status.DATA_LOSS);
    expect(node.heard.envelopes).toEqual([]);
  });

  test("are noise on the port, which harms nobody", async () => {
    const nodes = await startCluster(2);
    open.push({ stop: () => stopAll(nodes) });
    const [one, two] = nodes as [Node, Node];
    const { port } = two.server;
    const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const noises = [
      Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
      Buffer.alloc(100_000, 0xff),
      Buffer.concat([Buffer.from(preface), Buffer.alloc(100_000, 0xee)]),
      Buffer.from("\x16\x03\x01\x02\x00\x01"),
    ];
    const closed = noises.map((noise) => {
      const socket = connect(port, "127.0.0.1").on("error", () => {});
      socket.on("connect", () => socket.end(noise)).resume();
      return until(() => socket.destroyed);
    });
    await Promise.all(closed);
    one.bus.send({ message: beat, beacon: undefined });
    await until(() => two.heard.envelopes.length === 1);
    await until(() => two.server.connections === 2);
    expect(two.heard.peers).toEqual(["+node1"]);
  });
});
