/** Real brokers behind gRPC: a client in another language, and a leader that goes away. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { type Node, TestCluster } from "../../../../test/cluster/processes.ts";
import { needs } from "../../../../test/needs.ts";
import { freePort } from "../../../../test/ports.ts";
import { createWorker } from "../../../worker/src/index.ts";
import { callOn, clientOf, openStream } from "./harness.ts";

const LIMIT_MS = 240_000;
/** Of Debian, for which there are packages; another one may come first in the path. */
const PYTHON = "/usr/bin/python3";

let cluster: TestCluster;
let ports: ReadonlyMap<Node, number>;

beforeEach(async () => {
  cluster = await TestCluster.create(3);
  const given = new Map<Node, number>();
  for (const node of cluster.nodes) {
    const port = await freePort();
    given.set(node, port);
    node.env = { TQ_PERSISTENCE__MIN_FREE_DISK: "0", TQ_API__GRPC_PORT: `${port}` };
  }
  ports = given;
  await cluster.start();
}, LIMIT_MS);

afterEach(() => cluster.close());

async function followerAndLeader() {
  const leader = await cluster.leader();
  const follower = cluster.nodes.find((node) => node !== leader)!;
  return { leader, follower, port: ports.get(follower)! };
}

needs("python3-grpcio")("a client in Python, of a follower", { timeout: LIMIT_MS }, async () => {
  const { port } = await followerAndLeader();
  const worker = createWorker({
    servers: cluster.nodes.map((node) => node.address),
    queues: ["python"],
    handlers: { mail: async (payload: unknown) => ({ sent: payload }) },
  });
  await worker.start();
  onTestFinished(async () => {
    await worker.stop();
  });
  const program = fileURLToPath(new URL("client.py", import.meta.url));
  const { stdout } = await promisify(execFile)(PYTHON, [program, `127.0.0.1:${port}`]);
  expect(JSON.parse(stdout)).toEqual({
    tags: ["a", "b"],
    result: { sent: { to: "you" } },
    kinds: ["EVENT_KIND_SUBMITTED", "EVENT_KIND_STARTED", "EVENT_KIND_COMPLETED"],
    inOrder: true,
    refusal: { code: "NOT_FOUND", details: true },
  });
});

test("a follower forwards, also to the next leader", { timeout: LIMIT_MS }, async () => {
  const { leader, follower, port } = await followerAndLeader();
  const client = clientOf(port);
  onTestFinished(() => client.close());
  const { messages, stream } = openStream(client.WatchTasks({ kinds: ["EVENT_KIND_SUBMITTED"] }));
  await expect.poll(() => messages.length).toBeGreaterThan(0);
  const submit = (type: string, id = "") => callOn(client, "SubmitTask", { task: { type, id } });
  const before = await submit("before");
  expect(before).toMatchObject({ code: "OK", trailers: { "x-tq-node": follower.id } });
  expect(before.trailers["x-tq-durability"]).toBe("quorum-fsync");
  await leader.kill("SIGKILL");
  let after = await submit("after");
  // Between two leaders it is refused, or not known: then the same submit can be sent again.
  while (after.code === "UNAVAILABLE" || after.code === "UNKNOWN") {
    after = await submit("after", after.details["ErrorInfo"].metadata.task_id);
  }
  expect(after.code).toBe("OK");
  const ids = [before, after].map(({ value }) => value.task.id);
  const seen = () => messages.flatMap(({ events }) => events).map((event) => event.id);
  await expect.poll(seen, { timeout: 30_000 }).toEqual(ids);
  const { value } = await callOn(client, "ListTasks");
  expect(value.tasks.map((task: { id: string }) => task.id).sort()).toEqual([...ids].sort());
  stream.cancel();
});
