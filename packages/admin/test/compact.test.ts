/** `tq-admin compact`: of one broker, of all, and what becomes of one that does not answer. */
import { TqError } from "task-queue-client";
import { expect, test } from "vitest";
import { admin, FakeClient, THREE } from "./doubles.ts";
import { openBroker } from "./real-broker.ts";

test("a real broker merges its state, and has all that it had", async () => {
  const { call, client, api } = await openBroker();
  const { id } = await client.submit("echo", "x".repeat(1_000));
  const { status, stdout, stderr } = await call(["compact"]);
  expect([status, stderr]).toEqual([0, ""]);
  const [node] = JSON.parse(stdout);
  expect(Object.keys(node)).toEqual(["node_id", "before_bytes", "after_bytes"]);
  expect((await client.get(id)).state).toBe("pending");
  const answer = await fetch(`${api}/compact`, { method: "POST" });
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ node_id: node.node_id });
  const actions = (await client.audit()).lines.filter(({ verb }) => verb === "compact");
  expect(actions).toHaveLength(2);
});

test("--all asks each member that answers at its own address, one after the other", async () => {
  const asked: string[] = [];
  let open = 0;
  const { status, stdout } = await admin("compact --all -o table", undefined, {
    connect: ({ servers }) => {
      const client = new FakeClient();
      client.clusters = [THREE];
      if (servers === "127.0.0.1:6380") client.error = new TqError("no_leader", "gone");
      const { compact, close } = client;
      client.compact = async () => {
        asked.push(servers);
        expect(++open).toBe(1);
        return compact().finally(() => open--);
      };
      client.close = close.bind(client);
      return client;
    },
  });
  expect(asked).toEqual(["127.0.0.1:6379", "127.0.0.1:6381"]);
  expect(status).toBe(1);
  expect(stdout).toMatch(/node1 +8.6 MiB +0.0 MiB +-\n/);
  expect(stdout).toMatch(/node2 +- +- +no_leader: gone\n/);
});
