/** Where the platform keeps what it shows to nobody; a version that keeps it elsewhere fails here. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { hasEnded } from "../../src/grpc/library.ts";

test("a socket that was ended is known by it before its bytes are read", async () => {
  const listener = createServer();
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const peer = connect((listener.address() as AddressInfo).port, "127.0.0.1");
  const [socket] = (await once(listener, "connection")) as [Socket];
  onTestFinished(() => {
    for (const each of [peer, socket]) each.destroy();
    listener.close();
  });
  peer.write("so much");
  await expect.poll(() => socket.readableLength).toBe(7);
  expect(hasEnded(socket)).toBe(false);
  peer.end();
  await expect.poll(() => hasEnded(socket)).toBe(true);
  expect(socket.readableEnded).toBe(false);
  expect(socket.destroyed).toBe(false);
});
