/**
 * Frames that were good before something happened to them: bytes changed, cut off and exchanged, lengths
 * that lie. Always the same ones, so that a failure comes again. Each is a message or refused as
 * none; and whatever they do to their own connection, the worker port serves the next one.
 */
import fc from "fast-check";
import { decodeMessage, FrameReader, ProtocolError } from "task-queue-protocol";
import { expect, test } from "vitest";
import { anyMessage } from "../../../protocol/test/arbitrary-message.ts";
import { openOne, until } from "./harness.ts";
import { bytesOf, hello, RawPeer } from "./raw-peer.ts";

const FRAMES = 100_000;
/** A connection ends with the first frame that is refused: few, so that most are looked at. */
const PER_CONNECTION = 25;
const AT_ONCE = 4;
const SEED = 20_261_123;

const GOOD = fc.sample(anyMessage, { numRuns: 2_000, seed: SEED }).map((message, at) => {
  return bytesOf(at + 2, message);
});

/** Dice that always fall alike (xorshift). */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % sides;
  };
}

type Roll = (sides: number) => number;

/** The length and the type survive most of the time: otherwise little would get any further. */
const MUTATIONS: readonly ((bytes: Buffer, roll: Roll) => Buffer)[] = [
  (bytes, roll) => changed(bytes, 5 + roll(bytes.length - 5), roll(256)),
  (bytes, roll) => changed(bytes, 4 + roll(bytes.length - 4), roll(256)),
  (bytes, roll) => changed(bytes, bytes.length - 1 - roll(Math.min(8, bytes.length - 5)), 0xff),
  (bytes, roll) => withLength(bytes.subarray(0, 9 + roll(bytes.length - 8))),
  (bytes, roll) => {
    const at = 9 + roll(bytes.length - 8);
    const other = GOOD[roll(GOOD.length)]!;
    return withLength(Buffer.concat([bytes.subarray(0, at), other.subarray(9 + roll(16))]));
  },
  (bytes, roll) => changed(bytes, roll(4), roll(256)),
];

function changed(bytes: Buffer, at: number, value: number): Buffer {
  bytes[Math.min(at, bytes.length - 1)] = value;
  return bytes;
}

function withLength(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(bytes.length - 4);
  return bytes;
}

function mutated(roll: Roll): Buffer {
  const bytes = Buffer.from(GOOD[roll(GOOD.length)]!);
  // Frames whose length lies end the stream of frames, so there are few of them.
  const kinds = roll(50) === 0 ? MUTATIONS.length : MUTATIONS.length - 1;
  return MUTATIONS[roll(kinds)]!(bytes, roll);
}

test("a hundred thousand are messages or refused, each by itself", () => {
  const roll = dice(SEED);
  const counts = { read: 0, refused: 0 };
  for (let i = 0; i < FRAMES; i++) {
    const reader = new FrameReader(2 ** 20);
    try {
      reader.push(mutated(roll));
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        decodeMessage(frame);
      }
      counts.read++;
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError);
      counts.refused++;
    }
  }
  expect(counts.read).toBeGreaterThan(FRAMES / 20);
  expect(counts.refused).toBeGreaterThan(FRAMES / 20);
});

test("a hundred thousand harm nobody at the port but their sender", {
  timeout: 120_000,
}, async () => {
  const { port, cluster, node, server, lines } = await openOne({ limits: { helloMs: 500 } });
  const steady = await RawPeer.greet(port);
  let left = FRAMES;
  const attack = async (seed: number): Promise<void> => {
    const roll = dice(seed);
    while (left > 0) {
      const count = Math.min(PER_CONNECTION, left);
      left -= count;
      const peer = await RawPeer.dial(port);
      const role = roll(2) === 0 ? "client" : "worker";
      const frames = Array.from({ length: count }, () => mutated(roll));
      peer.socket.end(Buffer.concat([bytesOf(1, hello(role)), ...frames]));
      await peer.closed;
    }
  };
  const attacks = Promise.all(Array.from({ length: AT_ONCE }, (_, at) => attack(SEED + at)));
  let isOver = false;
  void attacks.finally(() => {
    isOver = true;
  });
  for (let pings = 2; !isOver; pings++) {
    steady.send(pings, { kind: "ping" });
    expect((await steady.take("pong")).requestId).toBe(pings);
  }
  await attacks;
  expect(lines.filter(({ level }) => level === "error")).toEqual([]);
  expect(node.status().applied).toBeGreaterThan(100);
  cluster.machine.checkInvariants();
  steady.socket.destroy();
  await until(() => server.connections === 0);
});
