/** Rates of keys: the bucket by itself, and what each door counts and says beyond it. */
import type { SentMessage } from "task-queue-protocol";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { ClusterKeys } from "../../src/auth/cluster-keys.ts";
import { KeyRates, type Rate } from "../../src/auth/key-rates.ts";
import { BUCKETS_MAX, LIMITED_NAMES_MAX, OTHER_NAMES } from "../../src/auth/limits.ts";
import { type Caller, RateLimited } from "../../src/operations/access.ts";
import { auditedAccess, type Deed, NO_AUDIT } from "../../src/operations/audit.ts";
import { drawKey } from "../../src/operations/key-text.ts";
import type { Permission } from "../../src/operations/permissions.ts";
import { type Any, Harness as Grpc, metadataOf, openStream } from "../grpc/harness.ts";
import { FakeBroker } from "../operations/fake-broker.ts";
import { Harness as Rest } from "../rest/harness.ts";
import { openOne, someTask } from "../workers/harness.ts";
import { hello, RawPeer } from "../workers/raw-peer.ts";
import { Ring } from "./key-ring.ts";

describe("the bucket of a key", () => {
  let now = 0;
  let rates = new KeyRates();

  beforeEach(() => {
    now = 1_000;
    rates = new KeyRates(() => now);
  });

  /** How long it has to wait; 0: it was taken. */
  function waitMs(rate: Rate, count = 1, name = "shop"): number {
    try {
      rates.spend(name, rate, count);
      return 0;
    } catch (error) {
      expect(error).toBeInstanceOf(RateLimited);
      return (error as RateLimited).retryAfterMs;
    }
  }

  test("gives its burst at once, and then as fast as it fills", () => {
    const rate = { perSecond: 10, burst: 3 };
    expect([1, 2, 3].map(() => waitMs(rate))).toEqual([0, 0, 0]);
    expect(waitMs(rate)).toBe(100);
    now += 40;
    expect(waitMs(rate)).toBe(60);
    now += 60;
    expect([waitMs(rate), waitMs(rate)]).toEqual([0, 100]);
    now += 3_600_000;
    expect([1, 2, 3, 4].map(() => waitMs(rate))).toEqual([0, 0, 0, 100]);
  });

  test("takes from whoever comes exactly when told to, at any rate", () => {
    for (const perSecond of [0.01, 0.3, 7, 33.3, 999]) {
      const rate = { perSecond, burst: 1 };
      const name = String(perSecond);
      expect(waitMs(rate, 1, name)).toBe(0);
      for (let i = 0; i < 50; i++) {
        now += waitMs(rate, 1, name);
        expect(waitMs(rate, 1, name)).toBe(0);
      }
    }
  });

  test("lends a batch that is larger than it, and has it paid before more is taken", () => {
    const rate = { perSecond: 10, burst: 10 };
    expect(waitMs(rate, 100)).toBe(0);
    expect(waitMs(rate)).toBe(9_100);
    now += 9_100;
    expect(waitMs(rate)).toBe(0);
  });

  test("lends no more than a batch may have, whatever was asked", () => {
    const rate = { perSecond: 10, burst: 10 };
    expect(waitMs(rate, 1e9)).toBe(0);
    expect(waitMs(rate)).toBe(99_100);
  });

  test("costs nothing when it refuses", () => {
    const rate = { perSecond: 1, burst: 1 };
    expect(waitMs(rate)).toBe(0);
    for (let i = 0; i < 10; i++) expect(waitMs(rate)).toBe(1_000);
    now += 1_000;
    expect(waitMs(rate)).toBe(0);
  });

  test("lends the rest of a batch to whoever has paid for its first, one at a time", () => {
    const rate = { perSecond: 1, burst: 2 };
    expect([waitMs(rate), waitMs(rate)]).toEqual([0, 0]);
    rates.spend("shop", rate, 9, 1);
    expect(() => rates.spend("shop", rate, 9, 1)).toThrow("wait 10000 ms");
    now += 9_000;
    rates.spend("shop", rate, 0, 1);
    expect(waitMs(rate)).toBe(1_000);
  });

  test("is its own, and has the rate of the moment", () => {
    const slow = { perSecond: 1, burst: 1 };
    expect([waitMs(slow), waitMs(slow)]).toEqual([0, 1_000]);
    expect(waitMs(slow, 1, "other")).toBe(0);
    expect(waitMs({ perSecond: 100, burst: 100 })).toBe(10);
  });

  test("refusals are counted by names, of which few are kept", () => {
    const rate = { perSecond: 1, burst: 1 };
    for (let i = 0; i < 2 * LIMITED_NAMES_MAX; i++) {
      for (let round = 0; round < 2; round++) waitMs(rate, 1, `key-${i}`);
    }
    waitMs(rate, 1, "key-0");
    expect(rates.limited.size).toBe(LIMITED_NAMES_MAX + 1);
    expect(rates.limited.get("key-0")).toBe(2);
    expect(rates.limited.get(OTHER_NAMES)).toBe(LIMITED_NAMES_MAX);
  });

  test("is one of a bounded number; the one that came first is forgotten", () => {
    const rate = { perSecond: 1, burst: 1 };
    for (let i = 0; i <= BUCKETS_MAX; i++) waitMs(rate, 1, `key-${i}`);
    expect(waitMs(rate, 1, "key-1")).toBe(1_000);
    expect(waitMs(rate, 1, "key-0")).toBe(0);
  });
});

/** Keys of which `shop` has a burst of 3 at one a minute, and `free` has no limit. */
function limitedRing(burst = 3): Ring {
  const ring = new Ring();
  const permissions: Permission[] = ["admin"];
  const keys = [
    { name: "shop", hash: "#shop", permissions, rate: { perSecond: 1 / 60, burst } },
    { name: "free", hash: "#free", permissions },
  ];
  ring.access.replace({ keys });
  return ring;
}

const SHOP = { "x-api-key": "shop" };

describe("keys that the cluster keeps", () => {
  function open(rate: Rate | undefined) {
    const ring = limitedRing();
    const keys = [{ name: "shop", hash: "#shop", permissions: ["admin"] as const }];
    ring.access.replace({ keys, defaultRate: rate });
    const records = new FakeBroker();
    records.raise(4);
    const access = new ClusterKeys({ others: ring.access, records, log: { warn() {} } });
    const make = async (): Promise<Caller> => {
      const { id, verifier, text } = drawKey();
      const who = { name: "shop", createdBy: "root", permissions: ["admin"], expiresAt: 0 };
      records.apply({ type: "createKey", id, verifier, ...who });
      return access.identify(text, "10.0.0.1");
    };
    return { ring, access, make };
  }

  test("have the rate of all that have none of their own, each for itself", async () => {
    const { ring, access, make } = open({ perSecond: 1, burst: 2 });
    const [one, other] = [await make(), await make()];
    one.spend(1);
    one.spend(2, 1);
    expect(() => one.spend(1)).toThrow('the key "shop" may ask for 1 a second of this broker');
    expect(() => other.spend(1)).not.toThrow();
    expect([...access.rateLimited!]).toEqual([["shop", 1]]);
    ring.now += 1_000;
    expect(() => one.spend(1)).not.toThrow();
    ring.access.replace({ keys: [] });
    for (let i = 0; i < 100; i++) one.spend(1);
  });

  test("have none where none is set", async () => {
    const caller = await open(undefined).make();
    for (let i = 0; i < 100; i++) caller.spend(1_000);
  });
});

describe("REST", () => {
  function open(ring: Ring): Rest {
    const rest = new Rest({ access: ring.access });
    onTestFinished(() => rest.app.close());
    return rest;
  }

  test("refuses with 429 and Retry-After before a body is read, and others go on", async () => {
    const ring = limitedRing();
    const rest = open(ring);
    for (let i = 0; i < 3; i++) expect((await rest.get("/queues", SHOP)).status).toBe(200);
    const refused = await rest.post("/tasks", "{ no JSON", SHOP);
    expect(refused.status).toBe(429);
    expect(refused.headers["retry-after"]).toBe("60");
    expect(refused.body).toMatchObject({ code: "rate_limited", retryable: true });
    expect(refused.body.detail).toContain('the key "shop" may ask for');
    expect((await rest.get("/queues", { "x-api-key": "free" })).status).toBe(200);
    expect((await rest.get("/healthz", SHOP)).status).toBe(200);
    expect([...ring.access.rateLimited]).toEqual([["shop", 1]]);
    ring.now += 60_000;
    expect((await rest.post("/tasks", { type: "t" }, SHOP)).status).toBe(201);
  });

  test("counts a batch by its tasks", async () => {
    const ring = limitedRing();
    const rest = open(ring);
    const tasks = Array.from({ length: 5 }, () => ({ type: "t" }));
    expect((await rest.post("/tasks/batch", { tasks }, SHOP)).status).toBe(201);
    const refused = await rest.post("/tasks/batch", { tasks: [] }, SHOP);
    expect([refused.status, refused.headers["retry-after"]]).toEqual([429, "180"]);
    expect(rest.broker.commands).toHaveLength(5);
  });

  test("counts what it refuses for other reasons, too", async () => {
    const rest = open(limitedRing());
    for (const body of [{ tasks: 7 }, {}, "no JSON"]) {
      expect((await rest.post("/tasks/batch", body, SHOP)).status).toBe(400);
    }
    expect((await rest.get("/queues", SHOP)).status).toBe(429);
  });

  test("new settings are in force at once, and no way to a full bucket", async () => {
    const ring = limitedRing();
    const rest = open(ring);
    for (let i = 0; i < 3; i++) await rest.get("/queues", SHOP);
    const key = { name: "shop", hash: "#shop", permissions: ["admin"] as const };
    ring.access.replace({ keys: [{ ...key, rate: { perSecond: 1, burst: 9 } }] });
    expect((await rest.get("/queues", SHOP)).headers["retry-after"]).toBe("1");
    ring.access.replace({ keys: [key] });
    expect((await rest.get("/queues", SHOP)).status).toBe(200);
  });

  test("notes a refusal once, by the name of the key", async () => {
    const refusals: Deed[] = [];
    const actions: Deed[] = [];
    const audit = {
      ...NO_AUDIT,
      action: async (deed: Deed) => void actions.push(deed),
      refusal: (deed: Deed) => void refusals.push(deed),
    };
    const access = auditedAccess(limitedRing(1).access, audit, "rest");
    const rest = new Rest({ access, audit });
    onTestFinished(() => rest.app.close());
    await rest.get("/queues", SHOP);
    await rest.send("DELETE", "/queues/q", undefined, SHOP);
    expect(refusals).toMatchObject([{ who: "shop", outcome: "rate_limited" }]);
    expect(actions).toEqual([]);
  });
});

describe("gRPC", () => {
  const KEY = { authorization: "Bearer shop" };
  const seconds = ({ details }: Any) => Number(details.RetryInfo?.retry_delay.seconds);

  test("refuses with RESOURCE_EXHAUSTED and how long to wait", async () => {
    const grpc = await Grpc.open({ access: limitedRing().access });
    for (let i = 0; i < 3; i++) {
      expect((await grpc.call("ListQueues", {}, KEY)).code).toBe("OK");
    }
    const refused = await grpc.call("ListQueues", {}, KEY);
    expect([refused.code, seconds(refused)]).toEqual(["RESOURCE_EXHAUSTED", 60]);
    expect(refused.details["ErrorInfo"].reason).toBe("rate_limited");
  });

  test("counts a batch by its tasks", async () => {
    const grpc = await Grpc.open({ access: limitedRing().access });
    const tasks = Array.from({ length: 5 }, () => ({ type: "t" }));
    expect((await grpc.call("SubmitTasks", { tasks }, KEY)).code).toBe("OK");
    expect(seconds(await grpc.call("SubmitTasks", { tasks }, KEY))).toBe(180);
  });

  test("counts the tasks of a stream, which goes on after a refusal", async () => {
    const ring = limitedRing();
    const grpc = await Grpc.open({ access: ring.access });
    const metadata = metadataOf(KEY);
    const { stream, messages, ended } = openStream(grpc.client.SubmitStream(metadata));
    const submit = async (sequence: number, count: number): Promise<Any> => {
      stream.write({ sequence, tasks: Array.from({ length: count }, () => ({ type: "t" })) });
      await expect.poll(() => messages.length).toBe(sequence);
      return messages.at(-1).results;
    };
    expect(await submit(1, 4)).toHaveLength(4);
    const [refused] = await submit(2, 4);
    expect(JSON.stringify(refused)).toContain("rate_limited");
    expect(grpc.broker.commands).toHaveLength(4);
    ring.now += 180_000;
    expect((await submit(3, 1))[0].accepted).toBeTruthy();
    stream.end();
    expect((await ended).code).toBe("OK");
  });
});

const REGISTER: Extract<SentMessage, { kind: "register" }> = {
  kind: "register",
  session: "w",
  secret: new Uint8Array(16),
  name: "w",
  queues: [],
  types: ["t"],
  labels: [],
  concurrency: 1,
  window: 1,
  held: [],
};

describe("the worker port", () => {
  const call = (verb: string, body: object = {}) => {
    return { kind: "call", verb, minIndex: 0, body: Buffer.from(JSON.stringify(body)) } as const;
  };

  async function greet(ring: Ring, role: "client" | "worker") {
    const { port, node } = await openOne({ access: ring.access });
    const peer = await RawPeer.dial(port);
    peer.send(1, hello(role, "shop"));
    await peer.take("welcome");
    return { peer, node };
  }

  test("counts submits by their tasks, and calls", async () => {
    const { peer, node } = await greet(limitedRing(), "client");
    peer.send(2, { kind: "submit", tasks: [1, 2, 3].map(() => someTask()) });
    await peer.take("submitted");
    const before = node.commands.length;
    peer.send(3, { kind: "submit", tasks: [someTask()] });
    const refused = { code: "rate_limited", retryable: true, requestId: 3 };
    expect(await peer.take("error")).toMatchObject(refused);
    for (const [at, verb] of ["queues", "submit_all"].entries()) {
      peer.send(4 + at, call(verb, verb === "queues" ? {} : { tasks: [{ type: "t" }] }));
      expect(await peer.take("error")).toMatchObject({ ...refused, requestId: 4 + at });
    }
    expect(node.commands).toHaveLength(before);
  });

  test("counts a submit of all or none by its tasks", async () => {
    const { peer } = await greet(limitedRing(), "client");
    peer.send(2, call("submit_all", { tasks: Array.from({ length: 9 }, () => ({ type: "t" })) }));
    await peer.take("answer");
    peer.send(3, call("queues"));
    expect((await peer.take("error")).message).toContain("wait 420000 ms");
  });

  test("never counts what keeps a worker's leases: register, heartbeat, reports", async () => {
    const { peer } = await greet(limitedRing(1), "worker");
    peer.send(2, call("queues"));
    await peer.take("answer");
    peer.send(3, call("queues"));
    expect(await peer.take("error")).toMatchObject({ code: "rate_limited" });
    peer.send(4, REGISTER);
    await peer.take("registered");
    for (let beat = 0; beat < 5; beat++) {
      peer.send(10 + beat, { kind: "heartbeat" });
      expect((await peer.take("heartbeatAck")).requestId).toBe(10 + beat);
    }
    peer.send(20, { kind: "complete", items: [] });
    expect((await peer.take("reported")).requestId).toBe(20);
  });
});
