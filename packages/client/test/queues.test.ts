/** Queues as a client sees and changes them. */
import { expect, test } from "vitest";
import { client, FakeCluster, openPort } from "./harness.ts";

test("settings, pause and drain, and the end of a queue", async () => {
  const cluster = new FakeCluster(1);
  cluster.machine.raise(3);
  const port = await openPort(cluster.nodes[0]!);
  const queue = client({ servers: `127.0.0.1:${port.port}` }).queue("mail");
  await expect(queue.get()).rejects.toMatchObject({ code: "not_found" });
  const made = await queue.set({ concurrency: 2, retention: { age_ms: 5 } });
  expect(made).toMatchObject({ revision: 1, settings: { concurrency: 2, weight: 1 } });
  expect(await queue.pause()).toMatchObject({ paused: true, revision: 2 });
  await expect(queue.set({}, { ifRevision: 1 })).rejects.toMatchObject({ code: "state_conflict" });
  expect(await queue.resume()).toMatchObject({ paused: false });
  expect(await queue.drain()).toMatchObject({ draining: true });
  expect(await queue.undrain()).toMatchObject({ draining: false });
  expect(await queue.get()).toMatchObject({ revision: 5, settings: { retention: { age_ms: 5 } } });
  await queue.delete();
  await expect(queue.get()).rejects.toMatchObject({ code: "not_found" });
});
