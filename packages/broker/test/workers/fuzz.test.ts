/**
 * Well-formed messages with nonsense in them, and frames with damage, over real sockets into the real
 * queue machine: whatever comes, the port answers or cuts off that one peer, and serves the next.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { anyMessage } from "../../../protocol/test/arbitrary-message.ts";
import { openOne, until } from "./harness.ts";
import { bytesOf, RawPeer } from "./raw-peer.ts";

const damage = fc.option(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { freq: 2 });
const frame = fc.record({ message: anyMessage, damage, requestId: fc.nat({ max: 0xffff_ffff }) });

test("no message does harm to anybody but its sender", { timeout: 60_000 }, async () => {
  const { port, cluster, server } = await openOne({ limits: { helloMs: 200 } });
  const steady = await RawPeer.greet(port);
  let pings = 1;
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 12 }), async (frames) => {
      const peer = await RawPeer.greet(port, "worker");
      for (const { message, damage: change, requestId } of frames) {
        const bytes = bytesOf(requestId, message);
        // The length stays, so that the damage is found where it is and the stream goes on.
        if (change !== null) bytes[4 + (change[0] % (bytes.length - 4))] = change[1];
        peer.socket.write(bytes);
      }
      steady.send(++pings, { kind: "ping" });
      expect((await steady.take("pong")).requestId).toBe(pings);
      peer.socket.destroy();
      await peer.closed;
    }),
    { numRuns: 150 },
  );
  cluster.machine.checkInvariants();
  steady.socket.destroy();
  await steady.closed;
  await until(() => server.connections === 0);
});
