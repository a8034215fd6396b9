/** What a task depends on and what depends on it, through all ends, and at its bounds. */
import { formatTaskId, type GraphJson, parseTaskId } from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import { GRAPH_LINKS_MAX, GRAPH_NODES_MAX, GRAPH_STEPS_MAX } from "../../src/operations/limits.ts";
import type { TaskId } from "../../src/queue/index.ts";
import { Harness } from "../rest/harness.ts";

function open(): Harness {
  const h = new Harness();
  h.broker.raise(3);
  return h;
}

async function submit(h: Harness, type: string, parents: readonly string[] = []): Promise<string> {
  return (await h.post("/tasks", { type, depends_on: parents })).body.id;
}

async function graphOf(h: Harness, id: string): Promise<GraphJson> {
  const { status, body } = await h.get(`/api/v1/tasks/${id}/graph`);
  expect(status).toBe(200);
  return body;
}

function shape({ nodes }: GraphJson): string[] {
  return nodes.map(({ type, state, distance }) => `${type ?? "?"} ${state} ${distance}`);
}

/** Instead of the machine: task n depends on what `parentsOf` says, and has no other content. */
function pretend(h: Harness, parentsOf: (n: number) => readonly number[], count: number): void {
  const children = new Map<number, TaskId[]>();
  for (let n = 0; n < count; n++) {
    for (const parent of parentsOf(n)) {
      children.set(parent, [...(children.get(parent) ?? []), idOf(n)]);
    }
  }
  h.broker.graphNode = async (id) => ({
    id,
    state: "blocked",
    type: "t",
    queue: "q",
    dependsOn: parentsOf(numberOf(id)).map(idOf),
  });
  h.broker.children = async (id, limit) => (children.get(numberOf(id)) ?? []).slice(0, limit);
}

function idOf(n: number): TaskId {
  const id = Buffer.from("0198f2c400007000800000000000000f", "hex");
  id.writeUInt32BE(n, 12);
  return Uint8Array.from(id);
}

function numberOf(id: TaskId): number {
  return Buffer.from(id).readUInt32BE(12);
}

describe("GET /tasks/:id/graph", () => {
  test("shows ancestors and descendants, each once, the nearest first", async () => {
    const h = open();
    const a = await submit(h, "a");
    const b = await submit(h, "b", [a]);
    const c = await submit(h, "c", [a]);
    const d = await submit(h, "d", [b, c]);
    const e = await submit(h, "e", [d, a]);
    const graph = await graphOf(h, d);
    expect(shape(graph)).toEqual([
      "d blocked 0",
      "b blocked -1",
      "c blocked -1",
      "e blocked 1",
      "a pending -2",
    ]);
    expect(graph.nodes[0]).toMatchObject({ id: d, queue: "default", depends_on: [b, c] });
    expect(graph.nodes[3]).toMatchObject({ id: e, depends_on: [d, a] });
    expect(graph.truncated).toBe(false);
    // Children of its parents are neither.
    expect(shape(await graphOf(h, b))).not.toContain("c blocked 1");
  });

  test("shows children that wait no more, and says of parents that they were deleted", async () => {
    const h = open();
    const a = await h.completedTask("a");
    const b = await submit(h, "b", [a]);
    expect(shape(await graphOf(h, a))).toEqual(["a completed 0", "b pending 1"]);
    await h.post(`/tasks/${b}/cancel`);
    expect(shape(await graphOf(h, a))).toEqual(["a completed 0", "b cancelled 1"]);
    const { id, finishedAt } = h.broker.machine.task(parseTaskId(a)!)!;
    h.broker.apply({ type: "expunge", what: "task", tasks: [{ id, finishedAt }] });
    const left = await graphOf(h, b);
    expect(left.nodes.slice(1)).toEqual([
      { id: a, state: "deleted", depends_on: [], distance: -1 },
    ]);
  });

  test("a task that is not there is not_found", async () => {
    const answer = await open().get(`/tasks/${formatTaskId(idOf(1))}/graph`);
    expect(answer.body).toMatchObject({ status: 404, code: "not_found", field: "id" });
    expect((await open().get("/tasks/x/graph")).status).toBe(404);
  });

  test("takes no parameter of its own", async () => {
    const h = open();
    const { body } = await h.get(`/tasks/${await submit(h, "a")}/graph?depth=1`);
    expect(body).toMatchObject({ status: 400, code: "unknown_field", field: "depth" });
  });
});

describe("bounds of a graph", () => {
  test.each([
    [GRAPH_NODES_MAX, GRAPH_NODES_MAX, false],
    [GRAPH_NODES_MAX + 1, GRAPH_NODES_MAX, true],
    [5_000, GRAPH_NODES_MAX, true],
  ])("a star of %i tasks shows %i of them", async (count, shown, truncated) => {
    const h = open();
    pretend(h, (n) => (n === 0 ? [] : [0]), count);
    const graph = await graphOf(h, formatTaskId(idOf(0)));
    expect([graph.nodes.length, graph.truncated]).toEqual([shown, truncated]);
  });

  test.each([
    [GRAPH_STEPS_MAX, GRAPH_STEPS_MAX + 1, false],
    [GRAPH_STEPS_MAX + 1, GRAPH_STEPS_MAX + 1, true],
  ])("a chain of %i steps shows %i tasks", async (steps, shown, truncated) => {
    for (const start of [0, steps]) {
      const h = open();
      pretend(h, (n) => (n === 0 ? [] : [n - 1]), steps + 1);
      const graph = await graphOf(h, formatTaskId(idOf(start)));
      expect([graph.nodes.length, graph.truncated]).toEqual([shown, truncated]);
    }
  });

  test("children that were met before do not hide others", async () => {
    const h = open();
    // 0 has children 1 to 600, all of which 601 has as parents; 1 has 399 more of its own.
    const all = Array.from({ length: 600 }, (_, at) => at + 1);
    pretend(h, (n) => (n === 0 ? [] : n <= 600 ? [0] : n === 601 ? all : [1]), 1_001);
    const graph = await graphOf(h, formatTaskId(idOf(0)));
    expect([graph.nodes.length, graph.truncated]).toEqual([1_000, true]);
    pretend(h, (n) => (n === 0 ? [] : n <= 600 ? [0] : n === 601 ? all : [1]), 1_000);
    expect((await graphOf(h, formatTaskId(idOf(0)))).truncated).toBe(false);
  });

  test("parents that are named are bounded in all", async () => {
    const h = open();
    pretend(h, (n) => (n === 0 ? [] : Array.from({ length: n }, (_, at) => at)), 200);
    const graph = await graphOf(h, formatTaskId(idOf(0)));
    const named = graph.nodes.reduce((sum, node) => sum + node.depends_on.length, 0);
    expect([named, graph.truncated]).toEqual([GRAPH_LINKS_MAX, true]);
  });
});
