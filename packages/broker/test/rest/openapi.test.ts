/**
 * The document against the application: every route stands in it, every example of it is sent and
 * answered as it says, and so are requests that fail.
 */
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { beforeAll, describe, expect, test } from "vitest";
import { SETTINGS_FIELDS } from "../../src/operations/queue-settings.ts";
import {
  OPERATIONS,
  type OpenApiDocument,
  type OperationObject,
} from "../../src/rest/openapi/document.ts";
import { PROBLEM_MEDIA } from "../../src/rest/openapi/operation.ts";
import { exampleWorld } from "./example-world.ts";
import { type Answered, Harness } from "./harness.ts";

const METHODS = ["get", "put", "post", "delete"] as const;

/** A request of the document, with an example of each thing that it must have. */
interface Example {
  readonly name: string;
  readonly method: Uppercase<(typeof METHODS)[number]>;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
  readonly operation: OperationObject;
}

let document: OpenApiDocument;
let ajv: InstanceType<typeof Ajv2020.default>;

beforeAll(async () => {
  document = (await (await exampleWorld()).get("/openapi.json")).body;
  ajv = new Ajv2020.default({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: "tq", ...(closedAnswers(document) as object) });
});

describe("the document", () => {
  test("has a row for each route, and a route for each row", () => {
    const h = new Harness();
    const listed = operations().map(({ method, path }) => `${method} ${path}`);
    const routes = Object.keys(OPERATIONS).map((row) => row.replace(/:(\w+)/g, "{$1}"));
    expect(listed.sort()).toEqual(routes.sort());
    expect(() => h.app.get("/api/v1/colours", async () => [])).toThrow(
      "GET /colours has no row in rest/openapi",
    );
  });

  test("keeps the rules of OpenAPI 3.1", () => {
    expect(document.openapi).toBe("3.1.0");
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const tags = (document["tags"] as { name: string }[]).map(({ name }) => name);
    for (const { path, operation } of operations()) {
      expect(tags).toContain(operation.tags[0]);
      const named = operation.parameters.filter((parameter) => parameter.in === "path");
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect([path, named.map(({ name }) => name)]).toEqual([path, inPath]);
      expect(named.every(({ required, example }) => required && example !== undefined)).toBe(true);
      expect(Object.keys(operation.responses)).not.toEqual([]);
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^[2-5]\d\d$/);
        expect(response.description).not.toBe("");
      }
    }
  });

  test("refers only to what is in it, and uses all that is", () => {
    const used = refsOf(document);
    for (const reference of used) expect([reference, at(reference)]).not.toContain(undefined);
    for (const [kind, members] of Object.entries(document.components)) {
      // All codes stand there, those of workers too.
      if (kind === "securitySchemes" || kind === "examples") continue;
      for (const name of Object.keys(members)) {
        // A server-sent event's data, which no schema of a text can say.
        if (name !== "Event") expect(used).toContain(`#/components/${kind}/${name}`);
      }
    }
  });

  test("its schemas are schemas, and their examples fit", () => {
    for (const [name, schema] of Object.entries(document.components["schemas"]!)) {
      expect([name, ajv.validateSchema(schema)]).toEqual([name, true]);
      for (const example of (schema["examples"] ?? []) as unknown[]) check(schemaAt(name), example);
    }
    for (const { value } of Object.values(document.components["examples"]!)) {
      check(schemaAt("Problem"), value);
    }
  });

  test("names each setting of a queue", () => {
    const { properties } = document.components["schemas"]!["QueueSettings"] as {
      properties: object;
    };
    expect(Object.keys(properties)).toEqual(SETTINGS_FIELDS);
  });

  test("is the same under both prefixes, with a page that loads nothing", async () => {
    const h = await exampleWorld();
    expect((await h.get("/api/v1/openapi.json")).body).toEqual(document);
    const { status, headers, body } = await h.get("/docs");
    expect([status, headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(body).not.toMatch(/<script|<link|<img|\bsrc=|\bstyle=|\bon\w+=|https?:/);
    for (const { operation } of operations())
      expect(body).toContain(`id="${operation.operationId}"`);
    const anchors = [...body.matchAll(/href="#(\w+)"/g)].map(([, name]) => name);
    for (const anchor of anchors) expect(body).toContain(`id="${anchor}"`);
  });
});

describe("every example", () => {
  test("is answered as the document says", async () => {
    const sent = operations().flatMap(examplesOf);
    expect(sent.length).toBeGreaterThan(operations().length);
    for (const example of sent) {
      const body = example.operation.requestBody?.content["application/json"];
      if (example.body !== undefined) check(withinDocument(body!.schema), example.body);
      const answer = await ask(await exampleWorld(), example);
      expect([example.name, answer.status]).toEqual([example.name, expect.toSatisfy(isSuccess)]);
      checkAnswer(example, answer);
    }
  });
});

describe("a request that fails", () => {
  test("is refused as the document says", async () => {
    for (const example of operations().map((operation) => examplesOf(operation)[0]!)) {
      for (const [fault, change] of FAULTS) {
        const h = await exampleWorld();
        const answer = await ask(h, change(example, h));
        if (isSuccess(answer.status)) continue;
        checkAnswer({ ...example, name: `${example.name}, ${fault}` }, answer);
      }
    }
  });
});

const NOBODY = "019d42e8-1800-7000-8000-00000000dead";

const FAULTS: readonly [string, (example: Example, h: Harness) => Example][] = [
  ["of a thing that is not there", (one) => ({ ...one, url: one.url.replace(UUID, NOBODY) })],
  ["of another thing", (one) => ({ ...one, url: one.url.replace(/emails/, "nowhere") })],
  ["with an unknown parameter", (one) => ({ ...one, url: `${one.url}?colour=blue` })],
  ["with a body of the wrong kind", (one) => ({ ...one, body: [] })],
  ["with an unknown field", (one) => ({ ...one, body: { colour: "blue" } })],
  [
    "without a leader",
    (one, h) => {
      h.broker.hasLeader = false;
      h.broker.state = { ready: false, reason: "no leader is known", leader: undefined };
      h.broker.outcome = () => ({ kind: "refused", code: "no_leader", message: "nobody leads" });
      return one;
    },
  ],
  [
    "without an answer",
    (one, h) => {
      h.broker.outcome = () => ({ kind: "unknown", message: "the leader was lost" });
      return one;
    },
  ],
];
const UUID = /[0-9a-f]{8}-[0-9a-f-]{27}/;

function operations() {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    METHODS.flatMap((method) => {
      const operation = methods[method];
      const name = method.toUpperCase() as Example["method"];
      return operation === undefined ? [] : [{ path, method: name, operation }];
    }),
  );
}

/** One with each body, each parameter and each header; the first with no more than it needs. */
function examplesOf({ path, method, operation }: ReturnType<typeof operations>[number]): Example[] {
  const { parameters, requestBody } = operation;
  const url = path.replace(/\{(\w+)\}/g, (_, name) => {
    return String(parameters.find((one) => one.in === "path" && one.name === name)!.example);
  });
  const name = `${method} ${path}`;
  const media = requestBody?.content["application/json"];
  const bodies = Object.entries(media?.examples ?? {}).map(([of, { value }]) => {
    return { name: `${name}: ${of}`, method, url, headers: {}, body: value, operation };
  });
  const plain: Example = bodies[0] ?? { name, method, url, headers: {}, operation };
  const varied = parameters
    .filter((parameter) => parameter.in !== "path" && parameter.example !== undefined)
    .map((parameter): Example => {
      const value = String(parameter.example);
      const of = `${name} with ${parameter.name}`;
      if (parameter.in === "header")
        return { ...plain, name: of, headers: { [parameter.name]: value } };
      return {
        ...plain,
        name: of,
        url: `${url}?${new URLSearchParams({ [parameter.name]: value })}`,
      };
    });
  return [plain, ...bodies.slice(1), ...varied];
}

async function ask(h: Harness, { method, url, headers, body }: Example): Promise<Answered> {
  // A feed would go on for ever.
  if (url.startsWith("/events")) h.closing.abort();
  return h.send(method, `/api/v1${url}`, body, headers);
}

function checkAnswer({ name, operation }: Example, { status, headers, body }: Answered): void {
  const response = operation.responses[status];
  expect([name, status, Object.keys(operation.responses)]).toEqual([
    name,
    status,
    expect.arrayContaining([String(status)]),
  ]);
  const sent = headers["content-type"];
  const media = typeof sent === "string" ? sent.split(";", 1)[0]! : undefined;
  const content = response!.content;
  if (content === undefined) {
    expect([name, body]).toEqual([name, ""]);
    return;
  }
  expect([name, Object.keys(content)]).toEqual([name, expect.arrayContaining([media])]);
  for (const header of Object.keys(response!.headers ?? {})) {
    expect([name, Object.keys(headers)]).toEqual([
      name,
      expect.arrayContaining([header.toLowerCase()]),
    ]);
  }
  if (media === PROBLEM_MEDIA)
    expect(content[media]!.schema).toEqual({ $ref: "#/components/schemas/Problem" });
  const { schema } = content[media!]!;
  const values = media === "application/jsonl" ? linesOf(body) : [body];
  for (const value of values) check(withinDocument(schema), value, name);
}

function linesOf(body: unknown): unknown[] {
  return String(body)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

function isSuccess(status: number): boolean {
  return status < 400;
}

/** Against a schema that stands in the document. */
function check(schema: object, value: unknown, name = ""): void {
  const validate = ajv.compile(schema);
  validate(value);
  expect([name, value, validate.errors]).toEqual([name, value, null]);
}

function schemaAt(name: string): object {
  return { $ref: `tq#/components/schemas/${name}` };
}

function withinDocument(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"tq#/'));
}

/** The same, but that objects have no fields which they do not name. */
function closedAnswers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closedAnswers);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, closedAnswers(member)]);
  const open = "properties" in value && "type" in value && !("additionalProperties" in value);
  return { ...Object.fromEntries(members), ...(open ? { additionalProperties: false } : {}) };
}

function refsOf(value: unknown): string[] {
  return [...JSON.stringify(value).matchAll(/"\$ref":"([^"]+)"/g)].map(([, found]) => found!);
}

function at(reference: string): unknown {
  const parts = reference.slice(2).split("/");
  return parts.reduce<unknown>(
    (value, part) => (value as Record<string, unknown>)?.[part],
    document,
  );
}
