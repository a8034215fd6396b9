/** A connection in memory behaves as a TCP connection does, as far as both ends look at it. */
import { once } from "node:events";
import { expect, test } from "vitest";
import { MemorySocket } from "../../src/testing/memory-socket.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("what is written arrives in order, as it was when it was written", async () => {
  let arrivals = 0;
  const [near, far] = MemorySocket.pair(() => arrivals++);
  const heard: string[] = [];
  far.on("data", (chunk) => heard.push(String(chunk)));
  const first = Buffer.from("one");
  near.write(first);
  first.fill("x");
  near.write("two");
  near.end();
  await once(far, "end");
  expect(heard.join(" ")).toBe("one two");
  expect(arrivals).toBe(2);
});

test("who closes one end closes the other", async () => {
  const [near, far] = MemorySocket.pair(() => {});
  near.destroy();
  await once(far, "close");
  expect(far.destroyed).toBe(true);
  far.write("into the void", () => {});
});

test("who does not read holds up the writer", async () => {
  const [near, far] = MemorySocket.pair(() => {});
  let taken = 0;
  const chunk = Buffer.alloc(64 * 1024);
  for (let i = 0; i < 3; i++) near.write(chunk, () => taken++);
  for (let i = 0; i < 20; i++) await turn();
  expect(taken).toBe(0);
  far.resume();
  while (taken < 3) await turn();
  expect(far.readableLength).toBe(0);
});
