/** Reads that go through the store of a broker as it is: graphs, and finished tasks by their tag. */
import { expect, onTestFinished, test } from "vitest";
import { openBroker } from "../../../admin/test/real-broker.ts";
import { createWorker } from "../../../worker/src/index.ts";

test("a graph and a tag find what has ended long ago", async () => {
  const { api, client, servers } = await openBroker();
  const get = async (path: string) => (await fetch(`${api}${path}`)).json();
  const parent = await client.submit("t", 0, { tags: ["rare"] });
  const children = await client.submitMany(
    Array.from({ length: 300 }, (_, n) => {
      const options = { dependsOn: [parent], tags: n % 100 === 7 ? ["rare", "all"] : ["all"] };
      return { type: "t", payload: n, options };
    }),
    { atomic: true },
  );
  const worker = createWorker({ servers: [servers], handlers: { t: async () => "done" } });
  await worker.start();
  onTestFinished(async () => {
    await worker.stop();
  });
  for (const child of children) await child.wait();
  const graph = await parent.graph();
  expect(graph).toMatchObject({ truncated: false, nodes: { length: 301 } });
  expect(new Set(graph.nodes.map(({ state }) => state))).toEqual(new Set(["completed"]));
  expect(await get(`/tasks/${parent.id}/graph`)).toEqual(graph);
  const rare = [children[207]!, children[107]!, children[7]!, parent].map(({ id }) => id);
  const { tasks } = (await get("/tasks?tag=rare")) as { tasks: { id: string }[] };
  expect(tasks.map(({ id }) => id)).toEqual(rare);
  const all: string[] = [];
  for await (const { id } of client.list({ tag: "all", limit: 70 })) all.push(id);
  expect(all.toSorted()).toEqual(children.map(({ id }) => id).toSorted());
});
