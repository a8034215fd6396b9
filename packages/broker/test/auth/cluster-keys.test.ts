/** Keys that the cluster keeps: who is let in with one, for how long, and what a stranger learns. */
import { describe, expect, test } from "vitest";
import { ClusterKeys, withClusterKeys } from "../../src/auth/cluster-keys.ts";
import { FAILURES_FREE, LOOKS_MAX } from "../../src/auth/limits.ts";
import { type Caller, OPEN_ACCESS, RateLimited } from "../../src/operations/access.ts";
import { drawKey, type NewKey } from "../../src/operations/key-text.ts";
import { FakeBroker } from "../operations/fake-broker.ts";
import { Ring } from "./key-ring.ts";

const ADDRESS = "10.0.0.1";
const OTHER_ADDRESS = "10.0.0.2";

class World {
  readonly broker = new FakeBroker();
  readonly ring = new Ring();
  readonly lines: string[] = [];
  now = 1_000_000;
  readonly access = new ClusterKeys({
    others: this.ring.access,
    records: this.broker,
    log: { warn: (fields, text) => this.lines.push(`${JSON.stringify(fields)} ${text}`) },
    now: () => this.now,
  });

  constructor() {
    this.broker.raise(4);
  }

  make(permissions = ["read_tasks"], expiresAt = 0): NewKey {
    const key = drawKey();
    this.enter(key, permissions, expiresAt);
    return key;
  }

  enter({ id, verifier }: NewKey, permissions: string[], expiresAt = 0): void {
    const who = { name: "shop", createdBy: "root", permissions, expiresAt };
    this.broker.apply({ type: "createKey", id, verifier, ...who });
  }

  revoke({ id }: NewKey): void {
    this.broker.apply({ type: "revokeKey", id, at: 0 });
  }

  /** The caller's name, or what it is refused with. */
  async ask(key: string, address = ADDRESS): Promise<string> {
    return this.access.identify(key, address).then(
      ({ name }) => name,
      (error) => `${error.code}: ${error.message}`,
    );
  }
}

function refusal(caller: Caller, verb: "list" | "submit"): string | undefined {
  try {
    caller.demand(verb);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const STRANGER = "unauthenticated: the key is not one of this cluster's";

describe("a key of the cluster", () => {
  test("lets in, permits what its record says, and is compared with no hash", async () => {
    const world = new World();
    const caller = await world.access.identify(world.make().text, ADDRESS);
    expect(caller.name).toBe("shop");
    expect(refusal(caller, "list")).toBeUndefined();
    expect(refusal(caller, "submit")).toBe(
      'submit needs the permission submit_tasks, which the key "shop" lacks',
    );
    const admin = await world.access.identify(world.make(["admin"]).text, ADDRESS);
    expect(refusal(admin, "submit")).toBeUndefined();
    expect(world.ring.thread.compared).toEqual([]);
  });

  test("ends for who is in when it is revoked", async () => {
    const world = new World();
    const key = world.make();
    const caller = await world.access.identify(key.text, ADDRESS);
    world.revoke(key);
    expect(refusal(caller, "list")).toBe('the key "shop" was revoked');
    expect(await world.ask(key.text)).toBe('unauthenticated: the key "shop" was revoked');
  });

  test("ends at its time, by the cluster's clock", async () => {
    const world = new World();
    const key = world.make(["read_tasks"], world.broker.now + 1_000);
    const caller = await world.access.identify(key.text, ADDRESS);
    world.broker.now += 999;
    expect(refusal(caller, "list")).toBeUndefined();
    world.broker.now += 1;
    expect(refusal(caller, "list")).toBe('the key "shop" has expired');
    expect(await world.ask(key.text)).toBe('unauthenticated: the key "shop" has expired');
  });

  test("that was made elsewhere a moment ago is looked for", async () => {
    const world = new World();
    const key = drawKey();
    world.broker.readBarrier = async () => {
      world.enter(key, ["read_tasks"]);
      return 1;
    };
    expect(await world.ask(key.text)).toBe("shop");
    expect(await world.ask(drawKey().text)).toBe(STRANGER);
  });

  test("that cannot be looked for is no wrong key", async () => {
    const world = new World();
    const { text } = drawKey();
    world.broker.readBarrier = () => Promise.reject(new Error("no leader"));
    for (let i = 0; i <= FAILURES_FREE; i++) {
      expect(await world.ask(text)).toContain("overloaded: this key cannot be looked up right now");
    }
    const arrivals: ((index: number) => void)[] = [];
    world.broker.readBarrier = () => {
      return new Promise((resolve) => {
        arrivals.push(resolve);
      });
    };
    const looks = Array.from({ length: LOOKS_MAX }, (_, at) => world.ask(text, `10.1.${at}.1`));
    expect(await world.ask(text)).toContain("overloaded");
    world.broker.readBarrier = async () => 1;
    for (const arrive of arrivals) arrive(1);
    expect(new Set(await Promise.all(looks))).toEqual(new Set([STRANGER]));
  });
});

describe("a wrong key", () => {
  test("is refused alike for its id and for its secret, and stands in no line", async () => {
    const world = new World();
    const key = world.make();
    const wrong = key.text.replace(/.$/, (last) => (last === "a" ? "b" : "a"));
    expect(await world.ask(wrong)).toBe(STRANGER);
    expect(await world.ask(drawKey().text)).toBe(STRANGER);
    expect(world.lines).toEqual([`{"peer":"${ADDRESS}"} a wrong key was shown`]);
  });

  test("makes its address wait, and nobody else with a right one", async () => {
    const world = new World();
    const key = world.make();
    for (let i = 0; i < FAILURES_FREE; i++) await world.ask(drawKey().text);
    const barriers = world.broker.barriers.length;
    const error = await world.access.identify(drawKey().text, ADDRESS).catch((each) => each);
    expect(error).toBeInstanceOf(RateLimited);
    expect(error.retryAfterMs).toBe(1_000);
    expect(world.broker.barriers).toHaveLength(barriers);
    expect(await world.ask(key.text)).toBe("shop");
    expect(await world.ask(drawKey().text, OTHER_ADDRESS)).toBe(STRANGER);
  });

  test("of another form is the others' business", async () => {
    const world = new World();
    expect(await world.ask("read_tasks")).toBe("read_tasks");
    for (const other of ["tq_", `tq_${"0".repeat(32)}_short`, drawKey().text.toUpperCase()]) {
      expect(await world.ask(other)).toMatch(/^unauthenticated: /);
    }
    expect(world.broker.barriers).toEqual([]);
  });
});

test("nobody needs one where nobody is asked", () => {
  const { broker } = new World();
  const open = withClusterKeys({ others: OPEN_ACCESS, records: broker, log: { warn() {} } });
  expect(open).toBe(OPEN_ACCESS);
});
