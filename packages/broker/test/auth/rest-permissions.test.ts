/**
 * Every route of REST with every role, without a key and with a wrong one: who may goes on to the
 * route, who may not is refused before anything is read or done.
 */
import { TqError } from "task-queue-protocol";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Permission } from "../../src/operations/permissions.ts";
import { Harness } from "../rest/harness.ts";
import { Ring, ROLES } from "./key-ring.ts";
import { JOB_KINDS, ROUTES } from "./routes.ts";

const ID = "0198f2c4-0000-7000-8000-000000000001";
const METRICS = { contentType: "text/plain", render: async () => "", close() {} };

type Method = "GET" | "POST" | "PUT" | "DELETE" | "OPTIONS";

function open(): { harness: Harness; ring: Ring } {
  const ring = new Ring();
  const harness = new Harness({ access: ring.access, metrics: METRICS });
  onTestFinished(() => harness.app.close());
  return { harness, ring };
}

/** The status; the event stream goes on for ever where it may, and is cut. */
async function statusOf(
  harness: Harness,
  route: string,
  key: string | undefined,
  body?: object,
): Promise<number> {
  const [method, pattern] = route.split(" ") as [Method, string];
  const url = pattern.replace(":id", ID).replace(":name", "q").replace(":code", "not_found");
  if (pattern === "/events") harness.closing.abort();
  const content = body ?? (/^POST .*\/jobs$/.test(route) ? { kind: "retry" } : undefined);
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  return (await harness.send(method, url, content, headers as Record<string, string>)).status;
}

function holds(role: Permission, needed: readonly Permission[]): boolean {
  return role === "admin" || needed.every((each) => each === role);
}

test("the table has every route, and no other", async () => {
  const { app } = new Harness({ metrics: METRICS });
  const found = new Set<string>();
  app.addHook("onRoute", ({ method, url }) => {
    const path = url.replace(/^\/api\/v1/, "");
    for (const each of [method].flat()) if (each !== "HEAD") found.add(`${each} ${path}`);
  });
  await app.ready();
  expect([...found].sort()).toEqual(Object.keys(ROUTES).sort());
});

test("a route without a verb keeps the application from starting", async () => {
  const { app } = new Harness();
  app.get("/open", async () => "");
  await expect(app.ready()).rejects.toThrow("the route /open names no verb");
});

test("a key that ends while a body comes does nothing", async () => {
  let asked = 0;
  const demand = () => {
    if (++asked > 1) throw new TqError("unauthenticated", "the key was revoked");
  };
  const access = { identify: async () => ({ name: "ops", demand, spend() {} }) };
  const harness = new Harness({ access });
  onTestFinished(() => harness.app.close());
  const { status } = await harness.send("POST", `/tasks/${ID}/cancel`, {});
  expect([status, harness.broker.commands]).toEqual([401, []]);
});

describe.each(Object.entries(ROUTES))("%s", (route, needed) => {
  test(needed.length === 0 ? "is open to all" : `is for ${needed.join(" with ")}`, async () => {
    const { harness } = open();
    const { commands, barriers } = harness.broker;
    for (const path of [route, route.replace(" ", " /api/v1")]) {
      for (const role of ROLES) {
        const status = await statusOf(harness, path, role);
        expect([role, status === 403], path).toEqual([role, !holds(role, needed)]);
        expect([400, 404, 409, 200, 201, 202, 204, 403], path).toContain(status);
        if (status === 403) expect([...commands, ...barriers]).toEqual([]);
        commands.length = 0;
        barriers.length = 0;
      }
      for (const key of [undefined, "", "nobody", "admi", "k".repeat(100)]) {
        const status = await statusOf(harness, path, key);
        expect(status, path).toBe(needed.length === 0 ? 200 : 401);
        expect([...commands, ...barriers]).toEqual([]);
      }
    }
  });
});

test.each(Object.entries(JOB_KINDS))("a job of kind %s is for %s", async (kind, needed) => {
  const { harness } = open();
  for (const role of ROLES) {
    const status = await statusOf(harness, "POST /jobs", role, { kind, filter: { queue: "q" } });
    expect([role, status === 403]).toEqual([role, !holds(role, [needed])]);
  }
  expect(await statusOf(harness, "POST /jobs", undefined, { kind })).toBe(401);
});
