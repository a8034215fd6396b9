/** Numbers in payloads and results that JavaScript cannot hold. */
import { parseTaskId } from "task-queue-protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { Harness } from "./harness.ts";

let h: Harness;

beforeEach(() => {
  h = new Harness();
});

async function send(method: "GET" | "POST", url: string, payload?: string): Promise<string> {
  const headers = payload === undefined ? {} : { "content-type": "application/json" };
  const response = await h.app.inject({ method, url, headers, ...(payload && { payload }) });
  expect(response.statusCode).toBeLessThan(300);
  return response.body;
}

/** What a worker would get. */
function stored(): string[] {
  return h.broker.commands.flatMap((command) => {
    return command.type === "submit" ? [Buffer.from(command.content.payload).toString()] : [];
  });
}

const KEPT = [
  "9007199254740993",
  "-12345678901234567890",
  "1e400",
  "-1E-400",
  "0.1000000000000000055511151231257827",
  "123456789012345678901234567890.5e-7",
  `1${"0".repeat(5000)}1`,
];

describe("a number", () => {
  test.each(KEPT)("%s stays what it is, in the payload and in every answer", async (number) => {
    const json = `{"id":${number},"list":[1,${number},"${number}"],"text":"1e5 \\"${number}"}`;
    const created = await send("POST", "/tasks", `{"type":"t", "payload" : ${json} }`);
    expect(stored()).toEqual([json]);
    const { id } = JSON.parse(created);
    const shown = `"payload":${json}`;
    expect(created).toContain(shown);
    expect(await send("GET", `/tasks/${id}`)).toContain(shown);
    expect(await send("GET", "/tasks?payload=true")).toContain(shown);
    const lines = await send("GET", "/tasks?payload=true&format=jsonl");
    expect(lines).toContain(shown);
    expect(lines.split("\n").length).toBe(2);
  });

  test.each(KEPT)("%s alone, as data, in a batch, and beside others", async (number) => {
    await send("POST", "/tasks", `{"type":"t","data":${number}}`);
    const two = `{"type":"t","payload":[${number}]},{"type":"t","payload":"1e400"}`;
    const answer = await send("POST", "/tasks/batch", `{"tasks":[${two},{"type":"t"}]}`);
    expect(stored()).toEqual([number, `[${number}]`, '"1e400"', "null"]);
    expect(answer).toContain(`"payload":[${number}]`);
  });

  test.each(["1.50", "1e3", "100000000000000000000", "0.1", "5e-324", "1.0000000000000000000"])(
    "%s is one that JavaScript has, and written as ever",
    async (number) => {
      await send("POST", "/tasks", `{"type":"t","payload":${number}}`);
      expect(stored()).toEqual([JSON.stringify(Number(number))]);
    },
  );

  test("of a result stays what it is; the space around it does not", async () => {
    const { id } = JSON.parse(await send("POST", "/tasks", '{"type":"t"}'));
    const result = Buffer.from('{ "big":\n9007199254740993 }');
    h.broker.complete(parseTaskId(id)!, h.broker.lease("t"), result);
    expect(await send("GET", `/tasks/${id}`)).toContain('"result":{"big":9007199254740993}');
  });

  test("space in a body makes no other content of it", async () => {
    const big = (space: string) =>
      `{"type":"t","idempotency_key":"k","payload":{"a":${space}12345678901234567890}}`;
    const first = JSON.parse(await send("POST", "/tasks", big("")));
    expect(JSON.parse(await send("POST", "/tasks", big(" \n"))).id).toBe(first.id);
  });

  test.each([
    ['{"type":"t","delay_ms":1e400}', "delay_ms"],
    ['{"type":"t","delay_ms":9007199254740993}', "delay_ms"],
    [`{"type":"t","payload":${"[".repeat(40)}1e400${"]".repeat(40)}}`, "payload"],
    [`{"type":"t","payload":${"[".repeat(50_000)}1e400${"]".repeat(50_000)}}`, "payload"],
    ['{"tasks":1e400}', "tasks"],
    ['{"payload":1e400}', "type"],
  ])("elsewhere, or too deep, is refused as before: %.40s", async (body, field) => {
    const answer = await h.post("/tasks", body);
    expect([answer.status, answer.body.field]).toEqual([400, field]);
    expect(JSON.stringify(answer.body)).not.toMatch(/[0-9a-f]{8}-[0-9a-f-]{27}:/);
  });
});
