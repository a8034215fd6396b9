/** How fresh a read is: consistency, the index that a caller sends back, and what every answer tells. */
import { beforeEach, describe, expect, test } from "vitest";
import { Harness } from "./harness.ts";

const ID = "019d42b3-1400-7000-8000-000000000001";
/** Every path that reads the replicated state. */
const READS = [
  `/tasks/${ID}`,
  `/tasks/${ID}?wait=1ms`,
  "/tasks",
  "/dlq/failed-tasks",
  "/queues",
  "/queues/default",
  "/workers",
  "/stats",
  "/cluster",
];

let h: Harness;

beforeEach(async () => {
  h = new Harness();
  await h.post("/tasks", { id: ID, type: "mail" });
  h.broker.barriers.length = 0;
});

function withQuery(path: string, query: string): string {
  return `${path}${path.includes("?") ? "&" : "?"}${query}`;
}

describe.each(READS)("GET %s", (path) => {
  test("asks for the consistency that was said", async () => {
    for (const consistency of ["stale", "linearizable"] as const) {
      expect((await h.get(withQuery(path, `consistency=${consistency}`))).status).toBe(200);
      expect(h.broker.barriers.at(-1)).toMatchObject({ consistency });
    }
  });

  test.each(["strong", "", "Stale", "stale&consistency=stale"])(
    "consistency=%s is refused, with what is allowed",
    async (word) => {
      const { status, body } = await h.get(withQuery(path, `consistency=${word}`));
      expect([status, body.code, body.field]).toEqual([400, "invalid_request", "consistency"]);
      if (word === "strong") {
        const detail = 'consistency: "strong" is none of linearizable, stale.';
        expect(body.detail).toBe(detail);
      }
      expect(h.broker.barriers).toEqual([]);
    },
  );

  test("waits for the index that the caller has seen", async () => {
    await h.get(withQuery(path, "consistency=stale"), { "x-tq-applied-index": "41" });
    expect(h.broker.barriers[0]).toEqual({ consistency: "stale", minIndex: 41 });
    h.broker.barriers.length = 0;
    await h.get(path, { "x-tq-applied-index": "41" });
    expect(h.broker.barriers[0]).toEqual({ consistency: "linearizable", minIndex: 41 });
  });

  test.each(["-1", "1.5", "0x10", "soon", "", "9007199254740993", "1, 2"])(
    "an index of %j is refused",
    async (index) => {
      const { status, body } = await h.get(path, { "x-tq-applied-index": index });
      expect([status, body.code, body.field]).toEqual([
        400,
        "invalid_request",
        "X-TQ-Applied-Index",
      ]);
      expect(body.detail).toBe(
        `X-TQ-Applied-Index: "${index}" is no log index; ` +
          "send the number that an earlier answer carried in this field",
      );
      expect(h.broker.barriers).toEqual([]);
    },
  );

  test("a node that does not get there in time: 503, to be tried elsewhere", async () => {
    h.broker.behind = true;
    const answer = await h.get(withQuery(path, "consistency=stale"), { "x-tq-applied-index": "9" });
    expect([answer.status, answer.body.code, answer.body.retryable]).toEqual([
      503,
      "no_leader",
      true,
    ]);
    expect(answer.headers["retry-after"]).toBe("1");
    expect((await h.get(withQuery(path, "consistency=stale"))).status).toBe(200);
  });

  test("without a leader only stale reads go on", async () => {
    h.broker.hasLeader = false;
    expect((await h.get(withQuery(path, "consistency=linearizable"))).status).toBe(503);
    expect((await h.get(withQuery(path, "consistency=stale"))).status).toBe(200);
  });
});

describe("every answer", () => {
  test.each([
    ["GET", `/tasks/${ID}`, 200],
    ["HEAD", `/tasks/${ID}`, 200],
    ["GET", "/tasks", 200],
    ["GET", "/health", 200],
    ["GET", "/errors/no_leader", 200],
    ["POST", `/tasks/${ID}/cancel`, 200],
    ["GET", "/tasks/42", 404],
    ["GET", "/nowhere", 404],
    ["PUT", "/tasks", 405],
    ["POST", "/tasks", 400],
  ] as const)("%s %s says who answers and how far it is", async (method, url, status) => {
    const answer = await h.send(method, url);
    expect(answer.status).toBe(status);
    expect(answer.headers["x-tq-node"]).toBe("n1");
    expect(answer.headers["x-tq-applied-index"]).toBe(String(h.broker.machine.applied));
  });

  test("an index that was answered reads the write on a node that has got there", async () => {
    const { headers } = await h.post("/tasks", { type: "mail" });
    const index = String(headers["x-tq-applied-index"]);
    expect(Number(index)).toBe(h.broker.machine.applied);
    const list = await h.get("/tasks?consistency=stale", { "x-tq-applied-index": index });
    expect(list.body.tasks).toHaveLength(2);
    expect(h.broker.barriers.at(-1)).toEqual({ consistency: "stale", minIndex: Number(index) });
  });
});
