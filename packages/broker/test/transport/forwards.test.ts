/** Many writes for the leader at once: each message stays within its bound, and all arrive. */
import { afterEach, expect, test } from "vitest";
import { MESSAGE_BYTES_MAX, OUTBOX_BYTES_MAX } from "../../src/transport/limits.ts";
import { type Node, startCluster, stopAll, until } from "./harness.ts";

const open: Node[] = [];

afterEach(() => stopAll(open.splice(0)));

test("more writes than fit into one message arrive, all of them, in order", async () => {
  const [one, two] = (await startCluster(2)) as [Node, Node];
  open.push(one, two);
  const command = new Uint8Array(1_000_000).fill(7);
  const count = 12;
  expect(count * command.length).toBeGreaterThan(MESSAGE_BYTES_MAX);
  expect(count * command.length).toBeLessThan(OUTBOX_BYTES_MAX.forward);
  const ids = Array.from({ length: count }, (_, at) => at + 1);
  one.bus.forward(
    "node2",
    ids.map((requestId) => ({ requestId, command })),
  );
  await until(() => two.heard.forwards.length === count);
  expect(two.heard.forwards.map(({ requestId }) => requestId)).toEqual(ids);

  const outcome = { reply: command, index: 1 };
  two.bus.forwardReply(
    "node1",
    ids.map((requestId) => ({ requestId, outcome })),
  );
  await until(() => one.heard.replies.length === count);
  expect(one.heard.replies.map(({ requestId }) => requestId)).toEqual(ids);
});
