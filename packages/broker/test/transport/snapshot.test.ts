/** Snapshots between real buses: on connections of their own, held back, and always ended. */
import * as grpc from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import type { AcceptSnapshot } from "../../src/transport/bus-server.ts";
import { dialClient } from "../../src/transport/dial.ts";
import type { Hello } from "../../src/transport/handshake.ts";
import {
  SNAPSHOT_CHUNK_BYTES_MAX,
  SNAPSHOT_REQUEST_BYTES_MAX,
} from "../../src/transport/limits.ts";
import {
  encodeHello,
  encodeWelcome,
  HELLO_KEY,
  RAFT_SERVICE,
  WELCOME_KEY,
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

const request = new Uint8Array([1, 2, 3]);
const CHUNK = 256 * 1024;

async function cluster(count: number): Promise<readonly Node[]> {
  const nodes = await startCluster(count);
  open.push({ stop: () => stopAll(nodes) });
  return nodes;
}

/** node1 and node2 with options of their own. */
async function pair(
  ofReceiver: Partial<NodeOptions>,
  ofSource: Partial<NodeOptions>,
): Promise<readonly [Node, Node]> {
  const [first, second] = [await listen(), await listen()];
  const members = [memberOf("node1", first.server.port), memberOf("node2", second.server.port)];
  const one = start({ ...first, members, id: "node1", ...ofReceiver });
  const two = start({ ...second, members, id: "node2", ...ofSource });
  open.push(one, two);
  await until(() => [one, two].every(({ bus }) => bus.peers()[0]!.outbound));
  return [one, two];
}

/** A source without an end, and what happens to it. */
class Endless {
  pulled = 0;
  ended = false;
  signal: AbortSignal | undefined;
  readonly #bytes: number;

  constructor(node: Node, bytes = CHUNK) {
    this.#bytes = bytes;
    node.heard.snapshot = (_from, _request, signal) => this.#chunks(signal);
  }

  async *#chunks(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.signal = signal;
    try {
      for (;;) {
        this.pulled++;
        yield new Uint8Array(this.#bytes).fill(this.pulled);
      }
    } finally {
      this.ended = true;
    }
  }
}

function iterate(node: Node, from = "node2"): AsyncIterator<Uint8Array> {
  return node.bus.fetchSnapshot(from, request)[Symbol.asyncIterator]();
}

/** What the iteration fails with, after any number of chunks. */
async function failure(chunks: AsyncIterator<Uint8Array>): Promise<string> {
  try {
    while ((await chunks.next()).done !== true);
  } catch (error) {
    return (error as Error).message;
  }
  return "it did not fail";
}

describe("a snapshot", () => {
  test("arrives whole and in order, on a connection of its own that ends with it", async () => {
    const [one, two] = await cluster(2);
    const before = two!.server.connections;
    const sent = [0, 1, 300_000, SNAPSHOT_CHUNK_BYTES_MAX].map((n) => new Uint8Array(n).fill(n));
    const asked: unknown[] = [];
    two!.heard.snapshot = async function* (from, bytes) {
      asked.push([from, [...bytes]]);
      yield* sent;
    };
    const received: Uint8Array[] = [];
    for await (const chunk of one!.bus.fetchSnapshot("node2", request)) {
      expect(two!.server.connections).toBe(before + 1);
      received.push(chunk);
    }
    expect(asked).toEqual([["node1", [1, 2, 3]]]);
    expect(Buffer.concat(received).equals(Buffer.concat(sent))).toBe(true);
    expect(received.map((chunk) => chunk.length)).toEqual(sent.map((chunk) => chunk.length));
    await until(() => two!.server.connections === before);
    expect(two!.heard.peers).toEqual(["+node1"]);
  });

  test("is not asked for before somebody takes it", async () => {
    const [one, two] = await cluster(2);
    const source = new Endless(two!);
    one!.bus.fetchSnapshot("node2", request);
    const chunks = iterate(one!);
    await chunks.return?.();
    expect(await chunks.next()).toEqual({ done: true, value: undefined });
    expect(source.pulled).toBe(0);
  });

  test("is made no faster than it is taken", async () => {
    const [one, two] = await cluster(2);
    const source = new Endless(two!);
    const chunks = iterate(one!);
    await chunks.next();
    // What the library and the window hold, 16 chunks and 1 MiB, and what is under way at each end.
    const inBetween = 16 + (1024 * 1024) / CHUNK + 4;
    for (let taken = 1; taken < 100; taken++) {
      await until(() => source.pulled > taken);
      // Other traffic, so that the rest has time to go too far.
      await roundTrips(one!, two!, 3);
      expect(source.pulled).toBeLessThanOrEqual(taken + inBetween);
      await chunks.next();
    }
    await chunks.return?.();
  });

  test("whose source fails ends with the source's words", async () => {
    const [one, two] = await cluster(2);
    two!.heard.snapshot = async function* () {
      yield new Uint8Array(9);
      throw new Error("no state of entry 7 or later: the newest is 5");
    };
    const chunks = iterate(one!);
    expect((await chunks.next()).value).toHaveLength(9);
    expect(await failure(chunks)).toBe(
      "node2 sends no snapshot: no state of entry 7 or later: the newest is 5",
    );
    expect(two!.log.has("snapshot for node1: no state of entry 7 or later")).toBe(true);
    await until(() => two!.server.connections === 2);
  });

  test("of a source that refuses at once, or that does not exist", async () => {
    const [one, two] = await cluster(2);
    two!.heard.snapshot = () => {
      throw new Error("not now");
    };
    expect(await failure(iterate(one!))).toBe("node2 sends no snapshot: not now");
    expect(await failure(iterate(one!, "node9"))).toBe("node9 is no member that can be reached");
    expect(await failure(iterate(one!, "node1"))).toBe("node1 is no member that can be reached");
  });

  test("of a source that is away fails", async () => {
    const [one, two] = await cluster(2);
    await two!.stop();
    expect(await failure(iterate(one!))).toMatch(/^node2 sends no snapshot: connect ECONNREFUSED/);
  });
});

async function roundTrips(one: Node, two: Node, count: number): Promise<void> {
  for (let round = 0; round < count; round++) {
    const [seen, answered] = [two.heard.envelopes.length, one.heard.envelopes.length];
    const common = { term: 1, round } as const;
    const beat = { type: "heartbeat", from: "node1", to: "node2", commit: 0, ...common } as const;
    one.bus.send({ message: beat, beacon: undefined });
    await until(() => two.heard.envelopes.length > seen);
    const answer = { type: "heartbeatReply", from: "node2", to: "node1", ...common } as const;
    two.bus.send({ message: answer, beacon: undefined });
    await until(() => one.heard.envelopes.length > answered);
  }
}

describe("the end of it", () => {
  async function underWay(ofReceiver: Partial<NodeOptions> = {}) {
    const [one, two] = await pair(ofReceiver, {});
    const source = new Endless(two);
    const chunks = iterate(one);
    await chunks.next();
    return { one, two, source, chunks };
  }

  test.each(["return", "break", "throw"])("by a receiver's %s reaches the source", async (how) => {
    const [one, two] = await cluster(2);
    const source = new Endless(two!);
    const take = async () => {
      for await (const chunk of one!.bus.fetchSnapshot("node2", request)) {
        expect(chunk.length).toBe(CHUNK);
        if (how === "break") break;
        if (how === "return") return;
        throw new Error("disk full");
      }
    };
    if (how === "throw") await expect(take()).rejects.toThrow("disk full");
    else await take();
    await until(() => source.ended && two!.server.connections === 2);
    expect(source.signal!.aborted).toBe(true);
  });

  test("by a receiver that waits for a chunk does not wait for that chunk", async () => {
    const [one, two] = await cluster(2);
    let signal: AbortSignal | undefined;
    two!.heard.snapshot = async function* (_from, _request, given) {
      signal = given;
      await new Promise(() => {});
    };
    const chunks = iterate(one!);
    const next = failure(chunks);
    await until(() => signal !== undefined);
    await chunks.return?.();
    expect(await next).toBe("node2 sends no snapshot: nobody wants more");
    await until(() => signal!.aborted && two!.server.connections === 2);
  });

  test("by the source's bus", async () => {
    const { two, source, chunks } = await underWay();
    await two.bus.close();
    await until(() => source.ended);
    expect(await failure(chunks)).toMatch(
      /^node2 sends no snapshot: (node2 is closing|Connection)/,
    );
  });

  test("by the receiver's bus", async () => {
    const { one, source, chunks } = await underWay();
    await one.bus.close();
    expect(await failure(chunks)).toBe("node2 sends no snapshot: node1 is closing");
    await until(() => source.ended);
  });

  test("by a roster without the receiver", async () => {
    const { two, source, chunks } = await underWay();
    two.bus.setRoster({ revision: 1, members: [two.member] });
    await until(() => source.ended);
    expect(await failure(chunks)).toMatch(/^node2 sends no snapshot: (node1 is no mem|Connection)/);
    await until(() => two.server.connections === 0);
  });

  test("by a roster with another incarnation of the source", async () => {
    const { one, two, source, chunks } = await underWay();
    const reborn = { ...two.member, incarnation: "reborn" };
    one.bus.setRoster({ revision: 1, members: [one.member, reborn] });
    expect(await failure(chunks)).toBe("node2 sends no snapshot: node2 is no member any more");
    await until(() => source.ended);
  });

  test("by the same receiver, which asks again", async () => {
    const { one, two, source, chunks } = await underWay();
    const again = new Endless(two);
    const newer = iterate(one);
    await newer.next();
    expect(again.pulled).toBeGreaterThan(0);
    await until(() => source.ended);
    expect(await failure(chunks)).toMatch(/^node2 sends no snapshot: (replaced by a|Connection)/);
    await newer.return?.();
  });

  test("by a receiver that takes nothing for too long", async () => {
    const [one, two] = await pair({}, { snapshotIdleMs: 50 });
    const source = new Endless(two);
    const chunks = iterate(one);
    await chunks.next();
    await until(() => source.ended);
    expect(two.log.has("snapshot for node1: nothing was read for 50 ms")).toBe(true);
    // Nor does it read that, so that the connection goes.
    await until(() => two.server.connections === 2);
    expect(await failure(chunks)).toMatch(/^node2 sends no snapshot: /);
  });

  test("by a source that sends nothing for too long", async () => {
    const [one, two] = await pair({ snapshotIdleMs: 50 }, {});
    let aborted = false;
    two.heard.snapshot = async function* (_from, _request, signal) {
      yield new Uint8Array(1);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      aborted = true;
    };
    expect(await failure(iterate(one))).toBe("node2 sends no snapshot: no chunk within 50 ms");
    await until(() => aborted);
  });
});

describe("too much", () => {
  test("are three receivers at the same time", async () => {
    const [one, two, three, four] = await cluster(4);
    new Endless(four!);
    const first = iterate(one!, "node4");
    const second = iterate(two!, "node4");
    await Promise.all([first.next(), second.next()]);
    expect(await failure(iterate(three!, "node4"))).toBe(
      "node4 sends no snapshot: node4 sends 2 snapshots already: ask another member, or later",
    );
    await first.return?.();
    await until(() => four!.server.connections === 7);
    const third = iterate(three!, "node4");
    expect((await third.next()).done).toBe(false);
    await Promise.all([second.return?.(), third.return?.()]);
  });

  test("are a larger request and a larger chunk", async () => {
    const [one, two] = await cluster(2);
    const large = new Uint8Array(SNAPSHOT_REQUEST_BYTES_MAX + 1);
    const chunks = one!.bus.fetchSnapshot("node2", large)[Symbol.asyncIterator]();
    expect(await failure(chunks)).toContain("a request of 65537 bytes, at most 65536 are allowed");
    new Endless(two!, SNAPSHOT_CHUNK_BYTES_MAX + 1);
    expect(await failure(iterate(one!))).toContain("a chunk of 1048577 bytes, above 1048576");
  });
});

describe("a source that is not as it should be", () => {
  /** node2 is a listener that does as the test says. */
  async function impostor(snapshot: AcceptSnapshot): Promise<Node> {
    const [first, second] = [await listen(), await listen()];
    open.push({ stop: () => second.server.close() });
    second.server.acceptStreams({ stream: (_kind, _call, _end) => {}, snapshot });
    const members = [memberOf("node1", first.server.port), memberOf("node2", second.server.port)];
    const one = start({ ...first, members, id: "node1" });
    open.push(one);
    return one;
  }

  const welcome = (incarnation = "node2-incarnation"): grpc.Metadata => {
    const metadata = new grpc.Metadata();
    const party = { clusterId: CLUSTER, nodeId: "node2", incarnation, boot: 1, version: 1 };
    metadata.set(WELCOME_KEY, encodeWelcome(party));
    return metadata;
  };
  const data = new Uint8Array([1]);

  const faults: readonly (readonly [string, AcceptSnapshot, string])[] = [
    [
      "a damaged chunk",
      (call) => {
        call.sendMetadata(welcome());
        call.write({ data, crc: 1 });
      },
      "a chunk of the snapshot fails its CRC-32",
    ],
    ["no welcome", (call) => call.write({ data, crc: 0 }), "a chunk without a welcome"],
    [
      "another incarnation",
      (call) => {
        call.sendMetadata(welcome("strange"));
        call.write({ data, crc: 0xa505df1b });
      },
      "node2 has incarnation strange, but the cluster knows it as node2-incarnation",
    ],
  ];

  test.each(faults)("%s", async (_, snapshot, words) => {
    const one = await impostor(snapshot);
    const chunks = iterate(one);
    expect(await failure(chunks)).toContain(`node2 sends no snapshot: ${words}`);
    expect(await chunks.next()).toEqual({ done: true, value: undefined });
  });
});

describe("who may not have one", () => {
  async function refused(metadata: grpc.Metadata): Promise<grpc.ServiceError> {
    const { server, log } = await listen();
    const members = [memberOf("node1", 9), memberOf("node2", server.port)];
    const node = start({ server, log, members, id: "node2" });
    open.push(node);
    const source = new Endless(node);
    const client = dialClient(`127.0.0.1:${server.port}`);
    open.push({ stop: async () => client.close() });
    const { path, requestSerialize, responseDeserialize } = RAFT_SERVICE.snapshot;
    const call = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { request },
      metadata,
    );
    const error = await new Promise<grpc.ServiceError>((resolve) => call.on("error", resolve));
    expect(source.pulled).toBe(0);
    expect(log.has(`: ${error.details}`)).toBe(true);
    return error;
  }

  function hello(changes: Partial<Hello>): grpc.Metadata {
    const metadata = new grpc.Metadata();
    const party = { clusterId: CLUSTER, nodeId: "node1", incarnation: "node1-incarnation" };
    const value = { ...party, boot: 1, versionMin: 1, versionMax: 1, to: "node2", revision: 0 };
    metadata.set(HELLO_KEY, encodeHello({ ...value, ...changes }));
    return metadata;
  }

  test.each([
    [{ nodeId: "node9" }, "node9 was removed from cluster"],
    [{ incarnation: "x" }, "node1 was replaced in cluster"],
    [{ clusterId: "d" }, "node1 belongs to cluster d"],
    [{ to: "node5" }, "this is node2, not node5"],
  ] as const)("%o", async (changes, words) => {
    const error = await refused(hello(changes));
    expect(error.code).toBe(grpc.status.FAILED_PRECONDITION);
    expect(error.details).toContain(words);
  });

  test("whoever does not say who it is", async () => {
    const error = await refused(new grpc.Metadata());
    expect(error.code).toBe(grpc.status.INVALID_ARGUMENT);
    expect(error.details).toBe("no readable hello in the metadata (tq-hello-bin)");
  });
});
