/** Who shows which key: what a check costs, and what those who guess can and cannot do. */
import { describe, expect, test } from "vitest";
import { FAILURES_FREE, FRESH_MS, WRONG_MS } from "../../src/auth/limits.ts";
import { RateLimited } from "../../src/operations/access.ts";
import type { Permission } from "../../src/operations/permissions.ts";
import { Ring, ROLES } from "./key-ring.ts";

const HASHES = ROLES.length;

describe("a key", () => {
  test("is known by its hash, wherever among the keys it stands", async () => {
    const ring = new Ring();
    for (const role of ROLES) expect(await ring.ask(role)).toBe(role);
  });

  test("is refused before any work when it cannot be one", async () => {
    const ring = new Ring();
    const refusal = (key: string | undefined) =>
      ring.access.identify(key, "10.0.0.1").catch((error: Error) => error.message);
    expect(await refusal(undefined)).toBe("a key is needed, and none was shown");
    expect(await refusal("")).toBe("a key is needed, and none was shown");
    expect(await refusal("k".repeat(73))).toContain("longer than 72 bytes");
    expect(await refusal("é".repeat(37))).toContain("longer than 72 bytes");
    expect(await refusal("admin\0")).toContain("zero bytes");
    expect(ring.thread.compared).toEqual([]);
    expect(await ring.ask("k".repeat(72))).toBe("unauthenticated");
    expect(ring.thread.compared).toHaveLength(HASHES);
  });

  test("is taken without a check for a minute, and then with one comparison", async () => {
    const ring = new Ring();
    await ring.ask("admin");
    expect(ring.thread.compared).toHaveLength(HASHES);
    ring.now += FRESH_MS - 1;
    await ring.ask("admin");
    expect(ring.thread.compared).toHaveLength(HASHES);
    ring.now += 1;
    expect(await ring.ask("admin")).toBe("admin");
    expect(ring.thread.compared.slice(HASHES)).toEqual(["admin~admin"]);
  });

  test("that many show at once is checked once", async () => {
    const ring = new Ring();
    const answers = await Promise.all(Array.from({ length: 100 }, () => ring.ask("admin")));
    expect(new Set(answers)).toEqual(new Set(["admin"]));
    expect(ring.thread.compared).toHaveLength(HASHES);
  });

  test("that is wrong costs its comparisons once, whoever repeats it", async () => {
    const ring = new Ring();
    for (let i = 0; i < 100; i++) {
      expect(await ring.ask("nobody", `10.0.0.${i}`)).toBe("unauthenticated");
    }
    expect(ring.thread.compared).toHaveLength(HASHES);
    ring.now += WRONG_MS;
    await ring.ask("nobody");
    expect(ring.thread.compared).toHaveLength(2 * HASHES);
  });

  test("is in no line and no refusal", async () => {
    const ring = new Ring();
    const error = await ring.access.identify("canary", "10.0.0.1").catch((each: Error) => each);
    expect(String(error) + ring.lines.join("")).not.toContain("canary");
    expect(ring.lines).toEqual(['{"peer":"10.0.0.1"} a wrong key was shown']);
    await ring.ask("canary-2");
    expect(ring.lines).toHaveLength(1);
  });
});

describe("who guesses", () => {
  test("waits ever longer, while others of that address who are known go on", async () => {
    const ring = new Ring();
    await ring.ask("admin");
    for (let i = 0; i < FAILURES_FREE; i++) {
      expect(await ring.ask(`guess-${i}`)).toBe("unauthenticated");
    }
    const compared = ring.thread.compared.length;
    const error = await ring.access.identify("guess", "10.0.0.1").catch((each: unknown) => each);
    expect(error).toBeInstanceOf(RateLimited);
    expect(error).toMatchObject({ code: "rate_limited", retryable: true, retryAfterMs: 1_000 });
    expect(await ring.ask("read_tasks")).toBe("rate_limited");
    expect(ring.thread.compared).toHaveLength(compared);
    expect(await ring.ask("admin")).toBe("admin");
    ring.now += FRESH_MS;
    for (let i = 0; i < 10; i++) {
      await ring.ask(`more-${i}`);
      expect(await ring.ask("admin")).toBe("admin");
    }
    expect(await ring.ask("read_tasks", "10.0.0.2")).toBe("read_tasks");
  });

  test("waits at most a minute, and is forgotten after ten", async () => {
    const ring = new Ring();
    const waits: number[] = [];
    for (let i = 0; i < 30; i++) {
      const error = await ring.access.identify(`guess-${i}`, "10.0.0.1").catch((each) => each);
      if (!(error instanceof RateLimited)) continue;
      waits.push(error.retryAfterMs);
      ring.now += error.retryAfterMs;
    }
    expect(waits.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000]);
    expect(Math.max(...waits)).toBe(60_000);
    ring.now += 600_001;
    expect(await ring.ask("anew")).toBe("unauthenticated");
    expect(await ring.ask("anew-2")).toBe("unauthenticated");
  });

  test("has four places of the sixteen, and all who guess together have no more", async () => {
    const ring = new Ring();
    ring.thread.hold();
    const guesses: Promise<string>[] = [];
    for (let address = 0; address < 5; address++) {
      for (let i = 0; i < 5; i++) guesses.push(ring.ask(`${address}-${i}`, `10.0.0.${address}`));
    }
    ring.thread.release();
    const answers = await Promise.all(guesses);
    expect(answers.filter((answer) => answer === "unauthenticated")).toHaveLength(16);
    expect(answers.filter((answer) => answer === "overloaded")).toHaveLength(9);
    expect(answers[4]).toBe("overloaded");
  });

  test("in hundreds holds up nobody who is known, and compares one key at a time", async () => {
    const ring = new Ring();
    for (const role of ROLES) await ring.ask(role);
    ring.now += FRESH_MS;
    ring.thread.hold();
    const before = ring.thread.compared.length;
    const guesses = Array.from({ length: 500 }, (_, i) => ring.ask(`guess-${i}`, `10.1.${i}.1`));
    const known = ROLES.map((role) => ring.ask(role));
    ring.thread.release();
    expect(await Promise.all(known)).toEqual(ROLES);
    const order = ring.thread.compared.slice(before);
    expect(order.slice(1, 1 + HASHES)).toEqual(ROLES.map((role) => `${role}~${role}`));
    const answers = await Promise.all(guesses);
    expect(answers.filter((answer) => answer === "overloaded")).toHaveLength(500 - 16);
    expect(ring.thread.compared).toHaveLength(before + HASHES + 16 * HASHES);
    expect(ring.thread.openMax).toBe(1);
  });
});

describe("a thread that fails", () => {
  test("fails the check under way and none after it", async () => {
    const ring = new Ring();
    ring.thread.fault = new Error("gone");
    expect(await ring.ask("admin")).toBe("Error: gone");
    ring.thread.fault = undefined;
    expect(await ring.ask("admin")).toBe("admin");
  });

  test("is ended with its owner", async () => {
    const ring = new Ring();
    await ring.access.close();
    expect(ring.thread.closed).toBe(true);
  });
});

describe("other keys from now on", () => {
  const named = (name: string, permissions: readonly Permission[]) => {
    return { name, hash: `#${name}`, permissions };
  };

  test("take effect on who is in: other permissions, or none at all", async () => {
    const ring = new Ring();
    const reader = await ring.access.identify("read_tasks", "10.0.0.1");
    const admin = await ring.access.identify("admin", "10.0.0.1");
    ring.access.replace({ keys: [named("read_tasks", ["submit_tasks"])] });
    expect(() => reader.demand("submit")).not.toThrow();
    expect(() => reader.demand("list")).toThrow("list needs the permission read_tasks");
    expect(() => admin.demand("list")).toThrow('the key "admin" is not one of this broker\'s any');
    expect(await ring.ask("admin")).toBe("unauthenticated");
    expect(await ring.ask("read_tasks")).toBe("read_tasks");
  });

  test("let in who was refused a moment ago", async () => {
    const ring = new Ring();
    expect(await ring.ask("new")).toBe("unauthenticated");
    ring.access.replace({ keys: [named("new", ["admin"])] });
    expect(await ring.ask("new")).toBe("new");
  });

  test("overtake a check that is under way", async () => {
    const ring = new Ring();
    ring.thread.hold();
    const [leaving, coming] = [ring.ask("admin"), ring.ask("new", "10.0.0.2")];
    ring.access.replace({ keys: [named("new", ["admin"])] });
    ring.thread.release();
    expect(await leaving).toBe("unauthenticated");
    expect(await coming).toBe("unauthenticated");
    expect(await ring.ask("new", "10.0.0.2")).toBe("new");
  });
});
