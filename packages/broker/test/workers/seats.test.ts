/** How many connections the worker port takes from one address, and what it says to the others. */
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { TURNED_AWAY_MAX } from "../../src/workers/limits.ts";
import { openOne, until } from "./harness.ts";
import { RawPeer } from "./raw-peer.ts";

test("leaves room for others, and is told which setting bounds it", async () => {
  const { port, server, lines } = await openOne({ maxConnectionsPerAddress: 2 });
  const crowd = [await RawPeer.greet(port), await RawPeer.greet(port)];
  for (let at = 0; at < 2; at++) {
    const late = await RawPeer.dial(port);
    expect(await late.take("error")).toMatchObject({
      code: "overloaded",
      retryable: true,
      message: "2 connections of 127.0.0.1 are open (broker.max_connections_per_address)",
    });
  }
  const other = await RawPeer.greet(port, "client", "127.0.0.2");
  other.send(2, { kind: "ping" });
  await other.take("pong");
  expect([server.connections, server.refusals]).toEqual([3, { full: 0, address: 2 }]);
  expect(lines.filter(({ text }) => text.includes("refused a connection"))).toHaveLength(1);
  crowd[0]!.socket.destroy();
  await until(() => server.connections === 2);
  await RawPeer.greet(port);
});

test("those of it who say nothing give way, and no others", async () => {
  const { port } = await openOne({ maxConnectionsPerAddress: 1 });
  const elsewhere = await RawPeer.dial(port, true, "127.0.0.2");
  const silent = await RawPeer.dial(port);
  await RawPeer.greet(port);
  await silent.closed;
  expect(elsewhere.isClosed).toBe(false);
});

test("beyond so many who are told so and stay, one is closed without a word", async () => {
  const { port } = await openOne({ maxConnectionsPerAddress: 1 });
  await RawPeer.greet(port);
  const crowd = Array.from({ length: TURNED_AWAY_MAX + 1 }, () => {
    return new Promise<boolean>((resolve) => {
      // It does not end although the other side has.
      const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
      onTestFinished(() => void socket.destroy());
      socket.on("error", () => resolve(false)).on("end", () => resolve(false));
      socket.once("data", () => resolve(true));
    });
  });
  const told = (await Promise.all(crowd)).filter((isTold) => isTold).length;
  expect(told).toBe(TURNED_AWAY_MAX);
});
