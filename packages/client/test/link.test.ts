/**
 * The link that the worker library stands on: redirects, refusals, silence, and the end of it all.
 */
import { createServer, type Socket } from "node:net";
import {
  ByteWriter,
  encodeMessage,
  type Message,
  type SentMessage,
  type TqError,
} from "task-queue-protocol";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Connection, dial, Link, parseAddress } from "../src/connection/index.ts";
import { FakeCluster, openOne, openPort, openProxy, until } from "./harness.ts";

const WORKER = { role: "worker", apiKey: "", name: "w", version: "1" } as const;

interface Watch {
  readonly link: Link;
  readonly ups: Connection[];
  readonly downs: (Error | undefined)[];
  readonly failed: Error[];
  readonly messages: Message[];
}

function watch(servers: string | readonly string[]): Watch {
  const ups: Connection[] = [];
  const downs: (Error | undefined)[] = [];
  const failed: Error[] = [];
  const messages: Message[] = [];
  const link = new Link(
    { servers, ...WORKER },
    {
      onUp: (connection) => ups.push(connection),
      onDown: (error) => downs.push(error),
      onFailedTry: (_address, error) => failed.push(error),
      onMessage: (_connection, message) => messages.push(message),
    },
  );
  onTestFinished(() => link.close());
  link.start();
  return { link, ups, downs, failed, messages };
}

/** A peer that answers every connection with these bytes, and then does as told. */
async function listen(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no address");
  return `127.0.0.1:${address.port}`;
}

function bytesOf(...messages: SentMessage[]): Uint8Array {
  const writer = new ByteWriter();
  for (const message of messages) encodeMessage(writer, 1, message);
  return writer.view().slice();
}

const WELCOME: SentMessage = {
  kind: "welcome",
  protocolVersion: 1,
  nodeId: "n",
  clusterId: "c",
  version: "1",
  leader: "",
  maxFrameBytes: 100_000,
  maxPayloadBytes: 50_000,
  leaseMs: 1,
  heartbeatMs: 1,
};

describe("Link", () => {
  test("goes where it is sent, and leaves the old connection once its answers have come", async () => {
    const cluster = new FakeCluster(2);
    const [one, two] = [await openPort(cluster.nodes[0]!), await openPort(cluster.nodes[1]!)];
    const { link, ups, downs } = watch(`127.0.0.1:${one.port}`);
    await until(() => ups.length === 1);
    link.redirect(`127.0.0.1:${two.port}`);
    expect(link.connection).toBeUndefined();
    await until(() => ups.length === 2);
    expect(link.connection?.welcome.nodeId).toBe("n2");
    expect(downs).toEqual([undefined]);
    await until(() => !ups[0]!.isOpen);
  });

  test("a broker that closes hands over its messages and its hint", async () => {
    const cluster = new FakeCluster(2);
    const [one, two] = [await openPort(cluster.nodes[0]!), await openPort(cluster.nodes[1]!)];
    const { ups, messages } = watch(`127.0.0.1:${one.port}`);
    await until(() => ups.length === 1);
    cluster.elect(two.node);
    await one.server.close();
    await until(() => ups.length === 2);
    expect(messages.map(({ kind }) => kind)).toContain("terminate");
    expect(ups[1]!.welcome.nodeId).toBe("n2");
  });

  test("an address at which nobody listens is passed over", async () => {
    const { port } = await openOne();
    const { ups } = watch(["127.0.0.1:1", `127.0.0.1:${port}`]);
    await until(() => ups.length === 1);
    expect(ups[0]!.address.port).toBe(port);
  });

  test("a refusal for good is kept until a broker accepts", async () => {
    const error = { kind: "error", retryable: false, field: "", message: "no such key" } as const;
    let refuse = true;
    const address = await listen((socket) => {
      const answer: SentMessage = refuse ? { ...error, code: "unauthenticated" } : WELCOME;
      socket.once("data", () => socket.write(bytesOf(answer)));
    });
    const { link, ups, failed } = watch(address);
    await until(() => failed.length > 0);
    expect(link.refusal).toMatchObject({ code: "unauthenticated", message: "no such key" });
    refuse = false;
    await until(() => ups.length === 1);
    expect(link.refusal).toBeUndefined();
  });

  test("a code of a later version is told as it came", async () => {
    const error = { kind: "error", retryable: false, field: "", message: "x" } as const;
    const answer: SentMessage = { ...error, code: "moon_phase" };
    const address = await listen((socket) =>
      socket.once("data", () => socket.write(bytesOf(answer))),
    );
    const { failed } = watch(address);
    await until(() => failed.length > 0);
    expect(failed[0] as TqError).toMatchObject({ code: "internal", message: "moon_phase: x" });
  });

  test("close ends it, whatever it is doing", async () => {
    for (const servers of ["127.0.0.1:1", await listen(() => {})]) {
      const { link, ups } = watch(servers);
      await new Promise((resolve) => setImmediate(resolve));
      await link.close();
      expect(ups).toEqual([]);
      expect(link.connection).toBeUndefined();
    }
  });
});

describe("Connection", () => {
  async function open(address: string): Promise<Connection> {
    return dial(parseAddress(address), WORKER, new AbortController().signal);
  }

  test("frames that come right behind the welcome are not lost", async () => {
    const address = await listen((socket) => {
      socket.once("data", () => {
        socket.write(bytesOf(WELCOME, { kind: "notLeader", address: "a:1" }, { kind: "ping" }));
      });
    });
    const messages: Message[] = [];
    const connection = await open(address);
    connection.start({ onMessage: (message) => messages.push(message), onClose: () => {} });
    await until(() => messages.length === 1);
    expect(messages).toEqual([{ kind: "notLeader", address: "a:1" }]);
    connection.close();
  });

  test.each<[string, SentMessage | Uint8Array, RegExp]>([
    [
      "an answer that nobody asked for",
      { kind: "answer", index: 0, body: new Uint8Array(0) },
      /nobody asked/,
    ],
    ["bytes that are no frame", Uint8Array.of(255, 255, 255, 255, 1), /are accepted/],
    ["an error about the connection", errorFrame("overloaded", "too many"), /too many/],
  ])("%s ends the connection, and what was asked is answered by nothing", async (_n, said, why) => {
    const address = await listen((socket) => {
      socket.once("data", () => {
        socket.write(bytesOf(WELCOME));
        socket.once("data", () => {
          socket.write(said instanceof Uint8Array ? said : bytesOf(said));
          socket.end();
        });
      });
    });
    const connection = await open(address);
    const closed = new Promise<Error | undefined>((resolve) => {
      connection.start({ onMessage: () => {}, onClose: resolve });
    });
    const answer = new Promise<Message | undefined>((resolve) => {
      connection.request({ kind: "heartbeat" }, resolve);
    });
    expect((await closed)?.message).toMatch(why);
    expect(await answer).toBeUndefined();
    expect(connection.isOpen).toBe(false);
    const late = new Promise((resolve) => connection.request({ kind: "ping" }, resolve));
    expect(await late).toBeUndefined();
  });

  test("a broker that falls silent while it owes an answer is given up", async () => {
    const { port } = await openOne();
    const proxy = await openProxy(port);
    const connection = await open(proxy.address);
    const closed = new Promise<Error | undefined>((resolve) => {
      connection.start({ onMessage: () => {}, onClose: resolve });
    });
    proxy.mute = true;
    const answer = new Promise((resolve) => connection.request({ kind: "ping" }, resolve));
    expect((await closed)?.message).toMatch(/is silent for \d+ ms/);
    expect(await answer).toBeUndefined();
  });

  test("a dial that gets no answer gives up and leaves nothing behind", async () => {
    const address = await listen(() => {});
    const { signal } = new AbortController();
    const dialled = dial(parseAddress(address), { ...WORKER, timeoutMs: 30 }, signal);
    await expect(dialled).rejects.toThrow(/no answer within 30 ms/);
  });
});

function errorFrame(code: string, message: string): Uint8Array {
  const writer = new ByteWriter();
  encodeMessage(writer, 0, { kind: "error", retryable: true, code, message, field: "" });
  return writer.view().slice();
}
