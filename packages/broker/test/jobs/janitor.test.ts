/** Retention: what goes, what stays, and at which pace. */
import { describe, expect, test } from "vitest";
import { Janitor } from "../../src/jobs/janitor.ts";
import {
  RETENTION_PAUSE_MS,
  RETENTION_ROWS_PER_SECOND,
  RETENTION_SLICE_ROWS,
} from "../../src/jobs/limits.ts";
import { DEFAULT_RETENTION, DEFAULT_SETTINGS, type Retention } from "../../src/queue/index.ts";
import { World } from "../finished-world.ts";

const DAY = 24 * 60 * 60 * 1000;

class Cleaned extends World {
  time = 0;
  /** Commands that were proposed, and records that were scanned. */
  proposed = 0;
  readonly janitor: Janitor;

  constructor(ageMs = 7 * DAY) {
    super();
    this.janitor = new Janitor({
      broker: {
        clock: () => this.now,
        request: (command, done) => {
          this.proposed++;
          const reply = this.apply(command);
          setImmediate(() => done({ kind: "applied", reply, index: this.machine.applied }));
        },
      },
      owner: this.owner,
      ageMs,
      now: () => this.time,
    });
  }

  keep(queue: string, retention: Partial<Retention>): void {
    const settings = { ...DEFAULT_SETTINGS, retention: { ...DEFAULT_RETENTION, ...retention } };
    this.apply({ type: "configureQueue", queue, settings });
  }

  /** Whole walks, with flushes in between, until nothing changes any more. */
  async clean(): Promise<void> {
    for (let quiet = 0; quiet < 20; quiet++) {
      this.flush();
      const before = this.proposed;
      this.time += RETENTION_PAUSE_MS;
      await this.janitor.round();
      if (this.proposed > before) quiet = 0;
    }
    this.machine.checkInvariants();
  }

  left(queue: string) {
    const { completed, dead, cancelled } = this.machine.queue(queue)!.counts;
    return { completed, dead, cancelled };
  }
}

function filled(world: Cleaned, queue = "q"): Cleaned {
  for (let n = 0; n < 30; n++) world.finish(n, queue);
  return world;
}

describe("by age", () => {
  test("of the configuration: completed and cancelled ones go, dead ones stay", async () => {
    const world = filled(new Cleaned());
    await world.clean();
    expect(world.left("q")).toEqual({ completed: 10, dead: 10, cancelled: 10 });
    world.now += 7 * DAY;
    for (let n = 0; n < 3; n++) world.finish(n, "q");
    await world.clean();
    expect(world.left("q")).toEqual({ completed: 1, dead: 11, cancelled: 1 });
    expect(world.janitor.figures.tasks).toBe(20);
  });

  test("of the queue, before the configuration; dead ones by an age of their own", async () => {
    const world = filled(filled(new Cleaned(), "short"), "long");
    world.keep("short", { ageMs: 1_000, deadAgeMs: 2_000 });
    world.keep("long", { ageMs: 30 * DAY });
    world.now += 8 * DAY;
    await world.clean();
    expect(world.left("short")).toEqual({ completed: 0, dead: 0, cancelled: 0 });
    expect(world.left("long")).toEqual({ completed: 10, dead: 10, cancelled: 10 });
  });

  test("0 is for ever", async () => {
    const world = filled(new Cleaned(0));
    world.now += 1_000 * DAY;
    await world.clean();
    expect(world.left("q")).toEqual({ completed: 10, dead: 10, cancelled: 10 });
  });

  test("results and logs go before their tasks", async () => {
    const world = filled(new Cleaned());
    world.keep("q", { resultAgeMs: 1_000 });
    world.now += 10_000;
    await world.clean();
    expect(world.left("q")).toEqual({ completed: 10, dead: 10, cancelled: 10 });
    expect(world.ids.every((id) => world.machine.task(id)!.result === undefined)).toBe(true);
    expect(world.janitor.figures).toMatchObject({ tasks: 0, results: 10 });
  });
});

describe("by count and bytes", () => {
  test("the oldest go first, and no more than must", async () => {
    const world = filled(new Cleaned());
    world.keep("q", { count: 5 });
    await world.clean();
    const { completed, dead, cancelled } = world.left("q");
    expect([completed + cancelled, dead]).toEqual([5, 10]);
    const kept = world.ids.filter((id) => world.machine.task(id)?.state !== "dead");
    const there = kept.map((id) => world.machine.task(id) !== undefined);
    expect(there.slice(-5)).toEqual([true, true, true, true, true]);
    expect(there.slice(0, -5).some((isThere) => isThere)).toBe(false);
  });

  test("bytes", async () => {
    const world = filled(new Cleaned());
    const { finishedBytes } = world.machine.queue("q")!;
    world.keep("q", { bytes: Math.floor(finishedBytes / 2) });
    await world.clean();
    const left = world.machine.queue("q")!.finishedBytes;
    expect(left).toBeLessThanOrEqual(finishedBytes / 2);
    expect(left).toBeGreaterThan(finishedBytes / 4);
  });

  test("a queue that is too full does not keep another one from growing old", async () => {
    const world = filled(filled(new Cleaned(), "full"), "old");
    world.keep("full", { ageMs: 90 * DAY, count: 3 });
    world.now += 8 * DAY;
    await world.clean();
    expect(world.left("old")).toMatchObject({ completed: 0, cancelled: 0 });
    expect(world.left("full").completed + world.left("full").cancelled).toBe(3);
  });
});

describe("tombstones and keys", () => {
  test("go once nobody can ask for them", async () => {
    const world = new Cleaned();
    world.keep("q", { ageMs: 1 });
    const unique = { key: "u", forMs: 40 * DAY, onConflict: "keep" } as const;
    world.finish(0, "q", { idempotencyKey: "k", unique });
    world.now += 10;
    await world.clean();
    const rowsOf = (prefix: string) => {
      return [...world.rows.keys()].filter((key) => {
        return key.startsWith(Buffer.from(prefix).toString("hex"));
      }).length;
    };
    expect([rowsOf("f/"), rowsOf("t/"), rowsOf("k/"), rowsOf("u/")]).toEqual([0, 1, 1, 1]);
    world.now += 2 * DAY;
    await world.clean();
    expect([rowsOf("t/"), rowsOf("k/"), rowsOf("u/")]).toEqual([0, 0, 1]);
    world.now += 40 * DAY;
    await world.clean();
    expect([rowsOf("t/"), rowsOf("k/"), rowsOf("u/")]).toEqual([0, 0, 0]);
    expect(world.janitor.figures.forgotten).toBe(2);
  });
});

describe("pace", () => {
  test("records a second are bounded, and a walk that is over rests", async () => {
    const world = new Cleaned();
    for (let n = 0; n < 1_200; n++) world.finish(0, "q");
    world.now += 8 * DAY;
    world.flush();
    expect(await world.janitor.round()).toBe(true);
    expect(await world.janitor.round()).toBe(false);
    world.time += (RETENTION_SLICE_ROWS / RETENTION_ROWS_PER_SECOND) * 1_000;
    expect(await world.janitor.round()).toBe(true);
    await world.clean();
    expect(world.left("q").completed).toBe(0);
  });

  test("what is too young is not even read", async () => {
    const world = filled(new Cleaned());
    world.flush();
    world.scans = 0;
    await world.janitor.round();
    expect(world.scans).toBe(0);
  });
});
