/**
 * A key that was revoked elsewhere, shown to a node that has not heard of it yet: for an operator's
 * verb each door asks how far the cluster is first, and then does nothing. All others go on.
 */
import { CALL_VERBS, TqError } from "task-queue-protocol";
import { describe, expect, onTestFinished, test } from "vitest";
import { ClusterKeys } from "../../src/auth/cluster-keys.ts";
import { type Audit, auditedAccess, type Deed, NO_AUDIT } from "../../src/operations/audit.ts";
import { answerCall } from "../../src/operations/calls.ts";
import { drawKey } from "../../src/operations/key-text.ts";
import { PERMISSION_OF, type Permission } from "../../src/operations/permissions.ts";
import { Harness as Grpc } from "../grpc/harness.ts";
import { FakeBroker } from "../operations/fake-broker.ts";
import { Harness as Rest, SETTINGS } from "../rest/harness.ts";
import { Ring } from "./key-ring.ts";
import { JOB_KINDS, METHODS, ROUTES } from "./routes.ts";

const ID = "0198f2c4-0000-7000-8000-000000000001";

class Lagging implements Audit {
  readonly actions: Deed[] = [];
  readonly refusals: Deed[] = [];
  readonly read = NO_AUDIT.read;
  readonly isContinued = NO_AUDIT.isContinued;
  readonly key = drawKey();
  readonly keyId = Buffer.from(this.key.id).toString("hex");
  readonly records = new FakeBroker();
  readonly access = auditedAccess(
    new ClusterKeys({
      others: new Ring().access,
      records: this.records,
      log: { warn() {} },
    }),
    this,
    "rest",
  );
  looks = 0;

  constructor() {
    this.records.raise(4);
    const { id, verifier } = this.key;
    const who = { name: "ops", createdBy: "root", permissions: ["admin"], expiresAt: 0 };
    this.records.apply({ type: "createKey", id, verifier, ...who });
  }

  /** What the node hears when it asks. */
  onLook(hear: () => void): this {
    this.records.readBarrier = async () => {
      this.looks++;
      hear();
      return 1;
    };
    return this;
  }

  revoked(): this {
    return this.onLook(() => this.records.apply({ type: "revokeKey", id: this.key.id, at: 0 }));
  }

  async action(deed: Deed): Promise<void> {
    this.actions.push(deed);
  }

  refusal(deed: Deed): void {
    this.refusals.push(deed);
  }
}

function isOperators(...needed: readonly Permission[]): boolean {
  return needed.some((each) => each === "admin" || each === "admin:dlq");
}

/** To cancel in bulk takes no operator's permission, and is as much as an operator's work. */
function isOperatorsJob(kind: string, needed: Permission): boolean {
  return kind === "cancel" || isOperators(needed);
}

function rest(access: Lagging): Rest {
  const harness = new Rest({ access: access.access, audit: access });
  harness.broker.raise(4);
  onTestFinished(() => harness.app.close());
  return harness;
}

async function ask(harness: Rest, { key }: Lagging, route: string, body?: object) {
  const [method, pattern] = route.split(" ") as ["GET" | "POST", string];
  const url = pattern.replace(":id", ID).replace(":name", "q").replace(":code", "not_found");
  if (pattern === "/events") harness.closing.abort();
  const content = body ?? (pattern === "/jobs" && method === "POST" ? { kind: "retry" } : body);
  return harness.send(method, url, content, { authorization: `Bearer ${key.text}` });
}

describe("REST", () => {
  test.each(Object.entries(ROUTES).filter(([, needed]) => needed.length > 0))(
    "%s, for %j",
    async (route, needed) => {
      const lagging = new Lagging().revoked();
      const harness = rest(lagging);
      const { status } = await ask(harness, lagging, route);
      const { commands, barriers } = harness.broker;
      if (!isOperators(...needed)) {
        expect([status === 401, lagging.looks]).toEqual([false, 0]);
        return;
      }
      expect([status, lagging.looks, commands, barriers]).toEqual([401, 1, [], []]);
      expect(lagging.refusals).toMatchObject([{ who: "ops", outcome: "unauthenticated" }]);
      expect(lagging.actions).toEqual([]);
    },
  );

  test.each(Object.entries(JOB_KINDS))("a job of kind %s, for %s", async (kind, needed) => {
    const lagging = new Lagging().revoked();
    const { status } = await ask(rest(lagging), lagging, "POST /jobs", { kind });
    expect(status === 401).toBe(isOperatorsJob(kind, needed));
  });

  test("a key that is still good does what it may, and the line of the log has its id", async () => {
    const lagging = new Lagging().onLook(() => undefined);
    const harness = rest(lagging);
    const { status } = await ask(harness, lagging, "POST /queues/:name/pause");
    expect([status, lagging.looks]).toEqual([200, 1]);
    const { keyId } = lagging;
    expect(lagging.actions).toMatchObject([{ who: "ops", keyId, verb: "configure_queue" }]);
  });

  test("who cannot be told of by the cluster does nothing, and may come again", async () => {
    const lagging = new Lagging().onLook(() => {
      throw new TqError("no_leader", "no leader answered in time");
    });
    const harness = rest(lagging);
    const { status, body } = await ask(harness, lagging, "POST /queues/:name/pause");
    expect([status, body.code, body.retryable]).toEqual([503, "no_leader", true]);
    expect(harness.broker.commands).toEqual([]);
    expect(lagging.actions).toMatchObject([{ outcome: "no_leader" }]);
  });
});

describe("calls of the worker protocol", () => {
  const calls = CALL_VERBS.flatMap((verb): [string, object, Permission][] => {
    if (verb !== "start_job") return [[verb, { id: ID }, PERMISSION_OF[verb]]];
    return Object.entries(JOB_KINDS).map(([kind, needed]) => [verb, { kind }, needed]);
  });

  async function codeOf(lagging: Lagging, broker: FakeBroker, verb: string, params: object) {
    const signal = new AbortController().signal;
    const caller = await lagging.access.identify(lagging.key.text, "10.0.0.1");
    const context = { caller, audit: lagging, minIndex: 0, submit: SETTINGS, signal };
    return answerCall(broker, verb, params, context).then(
      () => "ok",
      (error) => (error as TqError).code,
    );
  }

  test.each(calls)("%s %j, for %s", async (verb, params, needed) => {
    const lagging = new Lagging().revoked();
    const broker = new FakeBroker();
    const code = await codeOf(lagging, broker, verb, params);
    if (!isOperatorsJob("kind" in params ? String(params.kind) : "", needed)) {
      expect([code === "unauthenticated", lagging.looks]).toEqual([false, 0]);
      return;
    }
    expect([code, broker.commands, broker.barriers]).toEqual(["unauthenticated", [], []]);
    const { keyId } = lagging;
    const refused = { who: "ops", keyId, outcome: "unauthenticated" };
    expect([lagging.refusals, lagging.actions]).toMatchObject([[refused], []]);
  });

  test("that is still good", async () => {
    const lagging = new Lagging().onLook(() => undefined);
    const broker = new FakeBroker();
    broker.raise(4);
    const params = { name: "q", paused: true };
    expect(await codeOf(lagging, broker, "configure_queue", params)).toBe("ok");
    expect(lagging.actions).toMatchObject([{ keyId: lagging.keyId, outcome: "ok" }]);
  });
});

describe("gRPC", () => {
  const unary = Object.entries(METHODS).filter(([name]) => !/Stream|Watch/.test(name));

  test.each(unary)("%s, for %s", async (name, needed) => {
    const lagging = new Lagging().revoked();
    const harness = await Grpc.open({ access: lagging.access, audit: lagging });
    const metadata = { authorization: `Bearer ${lagging.key.text}` };
    const { code } = await harness.call(name, { id: ID }, metadata);
    const seen = [code === "UNAUTHENTICATED", lagging.looks];
    expect(seen).toEqual(isOperators(needed) ? [true, 1] : [false, 0]);
    if (isOperators(needed)) expect(harness.broker.commands).toEqual([]);
  });
});

test("a reading of the audit log is its key's, and not that of another one of that name", async () => {
  const lagging = new Lagging().onLook(() => undefined);
  const other = drawKey();
  const who = { name: "ops", createdBy: "root", permissions: ["admin"], expiresAt: 0 };
  lagging.records.apply({ type: "createKey", id: other.id, verifier: other.verifier, ...who });
  const named = new Set<string>();
  const audit: Audit = {
    action: (deed) => lagging.action(deed),
    refusal: () => undefined,
    isContinued: (reader, position) => named.has(`${reader} ${position}`),
    read: async (_params, reader) => {
      named.add(`${reader} 1.64`);
      return { node_id: "a", lines: [], position: "1.64", end: true };
    },
  };
  const read = async (key: string, params: object) => {
    const caller = await lagging.access.identify(key, "10.0.0.1");
    const signal = new AbortController().signal;
    const context = { caller, audit, minIndex: 0, submit: SETTINGS, signal };
    await answerCall(new FakeBroker(), "audit", params, context);
    return lagging.actions.length;
  };
  expect(await read(lagging.key.text, {})).toBe(1);
  expect(await read(lagging.key.text, { position: "1.64" })).toBe(1);
  expect(await read(other.text, { position: "1.64" })).toBe(2);
});

test("a key of the file is not asked about elsewhere", async () => {
  const caller = await new Ring().access.identify("admin", "10.0.0.1");
  expect(caller.confirm?.("configure_queue")).toBeUndefined();
});
