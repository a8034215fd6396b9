/** Making, listing and revoking keys, and ending a run, as every door performs them. */
import { type CreatedKeyJson, TqError } from "task-queue-protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { ANYBODY, type Caller } from "../../src/operations/access.ts";
import { detailOf } from "../../src/operations/audit.ts";
import { answerCall, type CallContext } from "../../src/operations/calls.ts";
import { parseKeyText, verifierOf, withoutSecrets } from "../../src/operations/key-text.ts";
import { DURATION_MS_MAX } from "../../src/operations/limits.ts";
import { SETTINGS } from "../rest/harness.ts";
import { FakeBroker, START } from "./fake-broker.ts";

const ROOT: Caller = { name: "root", demand() {}, spend() {} };
const SHOP = { name: "shop", permissions: ["read_tasks", "submit_tasks", "read_tasks"] };

let broker: FakeBroker;

beforeEach(() => {
  broker = new FakeBroker();
  broker.raise(4);
});

// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there.
async function call(verb: string, params: object, caller = ROOT): Promise<any> {
  const signal = new AbortController().signal;
  const context: CallContext = { caller, minIndex: 0, submit: SETTINGS, signal };
  return (await answerCall(broker, verb, params, context)).value;
}

function refusal(verb: string, params: object, caller = ROOT): Promise<string> {
  return call(verb, params, caller).then(
    () => "none",
    (error) => `${error.code} ${error.field}`,
  );
}

describe("create_key", () => {
  test("answers with the key, of which the state holds a digest only", async () => {
    const made: CreatedKeyJson = await call("create_key", { ...SHOP, expires_in_ms: 60_000 });
    const { id, secret } = parseKeyText(made.key)!;
    expect(made).toEqual({
      key: made.key,
      id,
      name: "shop",
      permissions: ["submit_tasks", "read_tasks"],
      created_by: "root",
      created_at: new Date(START).toISOString(),
      expires_at: new Date(START + 60_000).toISOString(),
      state: "active",
    });
    expect(broker.accessKey(id)?.verifier).toEqual(verifierOf(secret));
    expect(JSON.stringify([broker.commands, await call("keys", {})])).not.toContain(secret);
    const { key: other } = await call("create_key", SHOP);
    expect(other).not.toBe(made.key);
  });

  test("makes none before it is certain that the caller may", async () => {
    const confirm = async () => {
      throw new TqError("unauthenticated", "revoked");
    };
    expect(await refusal("create_key", SHOP, { ...ROOT, confirm })).toBe(
      "unauthenticated undefined",
    );
    expect(broker.commands).toEqual([]);
  });

  test("is not for who has shown no key: it would be good the day that keys are asked for", async () => {
    expect(await refusal("create_key", SHOP, ANYBODY)).toBe("state_conflict undefined");
    expect(broker.commands).toEqual([]);
  });

  test.each([
    [{ ...SHOP, name: undefined }, "invalid_request name"],
    [{ ...SHOP, name: "a b" }, "invalid_request name"],
    [{ ...SHOP, name: "n".repeat(65) }, "invalid_request name"],
    [{ ...SHOP, permissions: [] }, "invalid_request permissions"],
    [{ ...SHOP, permissions: ["admin", "root"] }, "invalid_request permissions[1]"],
    [{ ...SHOP, permissions: "admin" }, "invalid_request permissions"],
    [{ ...SHOP, expires_in_ms: 0 }, "invalid_request expires_in_ms"],
    [{ ...SHOP, expires_in_ms: DURATION_MS_MAX + 1 }, "invalid_request expires_in_ms"],
    [{ ...SHOP, expires_at: "2020-01-01T00:00:00Z" }, "invalid_request expires_at"],
    [{ ...SHOP, expires_at: "2099-01-01T00:00:00Z" }, "invalid_request expires_at"],
    [
      { ...SHOP, expires_at: "2027-01-01T00:00:00Z", expires_in_ms: 1 },
      "invalid_request expires_at",
    ],
    [{ ...SHOP, secret: "mine" }, "unknown_field secret"],
  ])("%j is %s", async (params, expected) => {
    expect(await refusal("create_key", params)).toBe(expected);
    expect(broker.commands).toEqual([]);
  });
});

describe("revoke_key", () => {
  test("ends a key now, or after a while, but never later than it would have", async () => {
    const { id } = await call("create_key", SHOP);
    const soon = new Date(START + 5_000).toISOString();
    const ending = { id, state: "ending", expires_at: soon };
    expect(await call("revoke_key", { id, grace_ms: 5_000 })).toMatchObject(ending);
    expect(await call("revoke_key", { id, grace_ms: 9_000 })).toMatchObject(ending);
    broker.now += 1_000;
    expect(await call("revoke_key", { id })).toMatchObject({ state: "revoked" });
    expect((await call("keys", {})).keys).toMatchObject([{ id, state: "revoked" }]);
  });

  test("finds none for what is no id, and repeats nothing of it", async () => {
    const { key } = await call("create_key", SHOP);
    for (const id of [key, "", 7, undefined]) {
      expect(await refusal("revoke_key", { id })).toBe("not_found id");
    }
    expect(await refusal("revoke_key", { id: "0".repeat(32) })).toBe("not_found undefined");
    const message = await call("revoke_key", { id: key }).catch((error: Error) => error.message);
    expect(message).not.toContain(key.slice(-43));
    expect(await refusal("revoke_key", { id: "0".repeat(32), grace_ms: -1 })).toBe(
      "invalid_request grace_ms",
    );
  });

  test("of a key whose time is over says so", async () => {
    const { id } = await call("create_key", { ...SHOP, expires_in_ms: 1_000 });
    broker.now += 1_000;
    expect(await call("revoke_key", { id })).toMatchObject({ id, state: "expired" });
  });
});

test("what is kept of a key elsewhere is its id, its name and what it permits", async () => {
  const { key, id } = await call("create_key", SHOP);
  expect(detailOf("create_key", { ...SHOP, key })).toBe(
    "name=shop permissions=submit_tasks,read_tasks",
  );
  expect(detailOf("create_key", { name: `${key}…`, permissions: ["x"] })).toBe("permissions=");
  expect(withoutSecrets(`/api/v1/keys/${key}/x`)).toBe(`/api/v1/keys/tq_${id}_…/x`);
});

describe("release", () => {
  test("ends the run that is under way, or the one that was meant and no other", async () => {
    const { tasks } = await call("submit_all", {
      tasks: [{ id: "019d42e8-1800-7000-8000-000000000001", type: "mail" }],
    });
    const { id } = tasks[0];
    expect(await refusal("release", { id })).toBe("state_conflict undefined");
    const first = String(broker.lease("mail"));
    expect(await call("release", { id })).toMatchObject({ state: "pending", attempt: 1 });
    const second = String(broker.lease("mail"));
    expect(await call("release", { id, token: first })).toMatchObject({ state: "running" });
    expect(await call("release", { id, token: second })).toMatchObject({ state: "pending" });
    broker.lease("mail");
    expect(await refusal("release", { id, token: first })).toBe("stale_token undefined");
    expect(await refusal("release", { id, token: "x" })).toBe("invalid_request token");
  });
});
