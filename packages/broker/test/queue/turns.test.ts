/**
 * Whose turn it is: limits, labels, ageing and fair shares, at their bounds. The random model test
 * compares the same rules with the naive model, command by command.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeQueue, encodeQueue } from "../../src/queue/codec/queue-record.ts";
import {
  decodeGroup,
  decodeMeta,
  encodeGroup,
  encodeMeta,
} from "../../src/queue/codec/small-records.ts";
import type { Command } from "../../src/queue/command.ts";
import { GROUP, groupKey, META, namedKey, QUEUE } from "../../src/queue/keys.ts";
import { AGEING_STEP_MS } from "../../src/queue/limits.ts";
import { LAG_MAX, TURN_MAX } from "../../src/queue/turn.ts";
import { Driver, makeId, registerOf } from "./harness.ts";
import { Scene, serve } from "./scene.ts";

const MINUTE = 60_000;

describe("configureQueue", () => {
  test("makes the queue, and raises its revision with each real change", () => {
    const scene = new Scene();
    const view = () => scene.driver.machine.queue("q");
    expect(scene.configure("q", { weight: 3 })).toMatchObject({ code: "ok", duplicate: false });
    expect(view()).toMatchObject({ revision: 1, paused: false, running: 0 });
    expect(scene.configure("q", { weight: 3 })).toMatchObject({ code: "ok", duplicate: true });
    expect(scene.pause("q", true)).toMatchObject({ duplicate: false });
    expect(scene.pause("q", true)).toMatchObject({ duplicate: true });
    expect(view()).toMatchObject({ revision: 2, paused: true, settings: { weight: 3 } });
    scene.restart();
    expect(view()).toMatchObject({ revision: 2, paused: true, settings: { weight: 3 } });
  });

  test("changes only the revision it was meant for; a copy is known by what it says", () => {
    const scene = new Scene();
    expect(scene.configure("q", {}, { ifRevision: 1 })).toMatchObject({ code: "state_conflict" });
    expect(scene.driver.machine.queue("q")).toBeUndefined();
    scene.configure("q", {});
    const change = () => scene.configure("q", { weight: 2 }, { ifRevision: 1 });
    expect(change()).toMatchObject({ code: "ok", duplicate: false });
    expect(change()).toMatchObject({ code: "ok", duplicate: true });
    expect(scene.configure("q", { weight: 5 }, { ifRevision: 1 }).code).toBe("state_conflict");
  });

  test("takes the weights of 1,000 groups, sorted, each once", () => {
    const scene = new Scene();
    const weights = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ group: `g${1000 + at}`, weight: 2 }));
    expect(scene.configure("q", { groupWeights: weights(1000) }).code).toBe("ok");
    expect(scene.configure("q", { groupWeights: weights(1001) }).code).toBe("invalid_request");
    const twice = [...weights(1), ...weights(1)];
    expect(scene.configure("q", { groupWeights: twice }).code).toBe("invalid_request");
  });

  test("is refused before version 3", () => {
    const driver = new Driver();
    const command: Command = { type: "configureQueue", queue: "q", paused: true };
    expect(driver.one(command).code).toBe("state_conflict");
  });
});

describe("deleteQueue", () => {
  test("is refused while a task is in it, says which, and forgets the settings", () => {
    const scene = new Scene();
    const remove = () => scene.driver.one({ type: "deleteQueue", queue: "q" });
    scene.configure("q", { weight: 3 });
    const [serial] = scene.submit(2, { queue: "q", group: "ada" });
    scene.complete(scene.lease(1)[0]!);
    const reply = remove();
    expect(reply.code).toBe("state_conflict");
    expect(reply).toMatchObject({ message: expect.stringContaining("1 pending, 1 completed") });
    scene.complete(scene.lease(1)[0]!);
    for (const each of [serial!, serial! + 1]) {
      const requestId = Uint8Array.of(each);
      scene.driver.one({ type: "delete", id: makeId(each), requestId });
    }
    scene.driver.flush();
    expect(remove()).toMatchObject({ code: "ok", duplicate: false });
    expect(remove()).toMatchObject({ code: "ok", duplicate: true });
    scene.restart();
    expect(scene.driver.machine.queue("q")).toBeUndefined();
    expect(scene.driver.store.get(namedKey(QUEUE, "q"))).toBeUndefined();
    expect(scene.driver.store.get(groupKey("q", ""))).toBeUndefined();
    scene.submit(1, { queue: "q" });
    expect(scene.driver.machine.queue("q")).toMatchObject({ revision: 2, settings: { weight: 1 } });
  });
});

describe("a pause", () => {
  test("holds what is pending, lets go on what runs, and a resume tells the lanes", () => {
    const scene = new Scene();
    scene.submit(2, { queue: "q" });
    scene.submit(1, { queue: "q", type: "sms" });
    const [run] = scene.lease(1);
    scene.pause("q", true);
    expect(scene.ready()).toBe(0);
    expect(scene.lease(5)).toEqual([]);
    scene.complete(run!);
    scene.restart();
    expect(scene.lease(5)).toEqual([]);
    scene.told();
    scene.pause("q", false);
    expect(scene.told().sort()).toEqual(["q/mail", "q/sms"]);
    expect(scene.serials(5)).toEqual([2, 3]);
  });
});

describe("limits", () => {
  test("of a queue hold for all its groups and types together, and cannot leak", () => {
    const scene = new Scene();
    scene.configure("q", { concurrency: 2 });
    scene.submit(2, { queue: "q", group: "ada" });
    scene.submit(2, { queue: "q", type: "sms" });
    expect(scene.ready()).toBe(2);
    const runs = scene.lease(9);
    expect(runs).toHaveLength(2);
    expect(scene.ready()).toBe(0);
    scene.restart();
    expect(scene.lease(9)).toEqual([]);
    scene.told();
    scene.complete(runs[0]!);
    expect(scene.told()).not.toEqual([]);
    expect(scene.lease(9)).toHaveLength(1);
    // The session goes, and with it all it held.
    scene.driver.one({ type: "unregister", session: "w1" });
    scene.register("w1");
    expect(scene.driver.machine.queue("q")?.running).toBe(0);
    expect(scene.lease(9)).toHaveLength(2);
  });

  test("of groups hold for each of them, not for tasks without a group", () => {
    const scene = new Scene();
    scene.configure("q", { groupConcurrency: 1 });
    scene.submit(2, { queue: "q", group: "ada" });
    scene.submit(2, { queue: "q", group: "bob", type: "sms" });
    scene.submit(2, { queue: "q" });
    expect(scene.ready()).toBe(4);
    const runs = scene.lease(9);
    expect(runs.map(({ serial }) => serial).sort()).toEqual([1, 3, 5, 6]);
    expect(scene.ready()).toBe(0);
    scene.restart();
    scene.told();
    scene.complete(runs.find(({ serial }) => serial === 3)!);
    expect(scene.told()).toEqual(["q/sms"]);
    expect(scene.serials(9)).toEqual([4]);
  });

  test("that are lowered stop no run, that are raised tell what may begin", () => {
    const scene = new Scene();
    scene.configure("q", { concurrency: 3 });
    scene.submit(5, { queue: "q" });
    const runs = scene.lease(9);
    scene.configure("q", { concurrency: 1 });
    expect(scene.driver.machine.queue("q")?.running).toBe(3);
    scene.complete(runs[0]!);
    scene.complete(runs[1]!);
    expect(scene.lease(9)).toEqual([]);
    scene.told();
    scene.configure("q", { concurrency: 2 });
    expect(scene.told()).toEqual(["q/mail"]);
    expect(scene.ready()).toBe(1);
    expect(scene.serials(9)).toEqual([4]);
  });
});

test("a task that requires labels goes to a worker that has all of them", () => {
  const scene = new Scene();
  scene.register("w2", ["gpu=1"]);
  scene.register("w3", ["gpu=1", "zone=b"]);
  scene.submit(1, { requires: ["gpu=1", "zone=b"] });
  scene.submit(1, { requires: ["gpu=1"] });
  scene.submit(1);
  const ready = ["w1", "w2", "w3"].map((session) => scene.ready(session));
  expect(ready).toEqual([1, 2, 3]);
  scene.restart();
  expect(scene.serials(9, "w1")).toEqual([3]);
  expect(scene.serials(9, "w2")).toEqual([2]);
  expect(scene.serials(9, "w3")).toEqual([1]);
});

describe("ageing", () => {
  test("lets critical tasks overtake a low one for 15 minutes, and not longer", () => {
    const scene = new Scene();
    const [low] = scene.submit(1, { priority: "low" });
    const overtakes = (after: number): boolean => {
      scene.driver.now += after;
      const [critical] = scene.submit(1, { priority: "critical" });
      const [next] = scene.lease(1);
      if (next!.serial === critical) return true;
      expect(next!.serial).toBe(low);
      return false;
    };
    expect(overtakes(0)).toBe(true);
    expect(overtakes(15 * MINUTE - 1)).toBe(true);
    expect(overtakes(1)).toBe(false);
  });

  test("is the same within a group, and after a restart", () => {
    const scene = new Scene();
    const [low] = scene.submit(1, { priority: "low", group: "ada" });
    scene.driver.now += 3 * AGEING_STEP_MS - 1;
    scene.submit(2, { priority: "critical", group: "ada" });
    expect(scene.serials(1)).toEqual([2]);
    scene.restart();
    scene.driver.now += 1;
    expect(scene.serials(1)).toEqual([low]);
  });

  test("raises by one level at a time", () => {
    const scene = new Scene();
    scene.submit(1, { priority: "low" });
    scene.driver.now += AGEING_STEP_MS;
    scene.submit(1, { priority: "normal" });
    scene.submit(1, { priority: "high" });
    expect(scene.serials(3)).toEqual([3, 1, 2]);
  });

  test("begins anew when a task comes back to its line", () => {
    const scene = new Scene();
    scene.submit(1, { priority: "low" });
    scene.driver.now += 20 * MINUTE;
    const [run] = scene.lease(1);
    scene.driver.one({ type: "release", id: makeId(1, 1_700_000_000_000), token: run!.token });
    scene.submit(1, { priority: "normal" });
    expect(scene.serials(2)).toEqual([2, 1]);
  });
});

/** The most that any owner was ahead of or behind its share in any window, in tasks. */
function worstError(served: readonly string[], weights: ReadonlyMap<string, number>): number {
  const names = [...weights.keys()];
  let worst = 0;
  for (let from = 0; from < served.length; from++) {
    const got = new Map(names.map((name) => [name, 0]));
    for (let to = from; to < served.length; to++) {
      got.set(served[to]!, got.get(served[to]!)! + 1);
      for (const one of names) {
        for (const other of names) {
          const gap = got.get(one)! / weights.get(one)! - got.get(other)! / weights.get(other)!;
          // Of start-time fair queueing: one task of each, in the measure of its weight.
          const allowed = 1 / weights.get(one)! + 1 / weights.get(other)!;
          worst = Math.max(worst, gap / allowed);
        }
      }
    }
  }
  return worst;
}

const WEIGHTS = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 2, maxLength: 4 });
const BACKLOG = 60;

function compete(kind: "queue" | "group", weights: readonly number[], restartAt: number) {
  const scene = new Scene();
  const owners = new Map<number, string>();
  const names = weights.map((_, at) => `n${at}`);
  const groupWeights = names.map((group, at) => ({ group, weight: weights[at]! }));
  if (kind === "group") scene.configure("q", { groupWeights });
  for (const [at, name] of names.entries()) {
    if (kind === "queue") scene.configure(name, { weight: weights[at]! });
    const content = kind === "queue" ? { queue: name } : { queue: "q", group: name };
    for (const serial of scene.submit(BACKLOG, content)) owners.set(serial, name);
  }
  const served = serve(scene, owners, restartAt);
  scene.restart();
  served.push(...serve(scene, owners, BACKLOG - restartAt));
  return { served, weights: new Map(names.map((name, at) => [name, weights[at]!])) };
}

describe.each(["queue", "group"] as const)("turns of each %s", (kind) => {
  test("give shares within one task of the weights, over any window with a backlog", () => {
    fc.assert(
      fc.property(WEIGHTS, fc.nat(BACKLOG), (given, restartAt) => {
        const { served, weights } = compete(kind, given, restartAt);
        expect(worstError(served, weights)).toBeLessThanOrEqual(1.001);
      }),
      { numRuns: 12 },
    );
  });

  test("go on after a restart as if there had been none", () => {
    const given = [1, 3, 7];
    const { served } = compete(kind, given, 0);
    for (const restartAt of [1, 20, 41]) {
      expect(compete(kind, given, restartAt).served).toEqual(served);
    }
  });
});

describe("what others are given", () => {
  const share = (served: readonly number[], owners: ReadonlyMap<number, string>, name: string) =>
    served.filter((serial) => owners.get(serial) === name).length;

  /** b and c have a backlog, w1 takes both; `between` its leases something happens to a. */
  function contend(kind: "queue" | "group", between: (scene: Scene, round: number) => void) {
    const scene = new Scene();
    const owners = new Map<number, string>();
    scene.configure("q", { groupWeights: [{ group: "b", weight: 3 }] });
    scene.configure("b", { weight: 3 });
    for (const name of ["b", "c"]) {
      const content = kind === "queue" ? { queue: name } : { queue: "q", group: name };
      for (const serial of scene.submit(130, content)) owners.set(serial, name);
    }
    const served: number[] = [];
    for (let round = 0; served.length < 160; round++) {
      between(scene, round);
      if (round % 50 === 7) scene.restart();
      served.push(...scene.serials(1).filter((serial) => owners.has(serial)));
    }
    return [share(served, owners, "b"), share(served, owners, "c")];
  }

  const places = { queue: { queue: "a" }, group: { queue: "q", group: "a" } };

  test.each(["queue", "group"] as const)("by another worker changes no shares: %s", (kind) => {
    const shares = contend(kind, (scene) => {
      if (!scene.driver.machine.session("w2")) scene.register("w2", [], ["sms"]);
      scene.submit(2, { ...places[kind], type: "sms" });
      expect(scene.serials(2, "w2")).toHaveLength(2);
    });
    expect(shares).toEqual([120, 40]);
  });

  test.each(["queue", "group"] as const)("as more urgent changes no shares: %s", (kind) => {
    const shares = contend(kind, (scene, round) => {
      if (round % 2 === 0) scene.submit(1, { ...places[kind], priority: "critical" });
    });
    expect(shares).toEqual([120, 40]);
  });

  test.each(["queue", "group"] as const)("lets nobody new wait for it: %s", (kind) => {
    const last: number[] = [];
    contend(kind, (scene, round) => {
      scene.submit(1, { ...places[kind], priority: "critical" });
      scene.lease(1);
      if (round !== 60) return;
      const content = kind === "queue" ? { queue: "d" } : { queue: "q", group: "d" };
      const mine = scene.submit(2, content);
      const served = scene.serials(14);
      last.push(...mine.filter((serial) => served.includes(serial)));
    });
    expect(last).toHaveLength(2);
  });

  test("also by the worker that they share leaves the weights of the others", () => {
    const scene = new Scene();
    scene.configure("b", { weight: 3 });
    scene.register("w2");
    scene.submit(700, { queue: "a" });
    scene.pause("a", true);
    const [b, c] = ["b", "c"].map((queue) => new Set(scene.submit(200, { queue })));
    scene.lease(1);
    scene.pause("a", false);
    // Less of what w1 has goes to a, which is ahead by what w2 gives it of all three.
    const served = Array.from({ length: 120 }, () => scene.serials(1)).flat();
    const got = [b!, c!].map((owned) => served.filter((serial) => owned.has(serial)).length);
    expect(Math.abs(got[0]! - 3 * got[1]!)).toBeLessThanOrEqual(4);
  });
});

describe("idle time", () => {
  test("earns nothing: who comes back gets its share from then on", () => {
    const scene = new Scene();
    const owners = new Map<number, string>();
    const submit = (group: string, count: number) => {
      for (const serial of scene.submit(count, { group })) owners.set(serial, group);
    };
    submit("ada", 60);
    submit("bob", 1);
    // Keeps the group known while it has nothing to run.
    scene.submit(1, { group: "bob", delayMs: 60 * MINUTE });
    serve(scene, owners, 30);
    submit("bob", 20);
    const served = serve(scene, owners, 10);
    expect(served.filter((name) => name === "bob").length).toBeLessThanOrEqual(6);
  });

  test.each([
    ["one group that comes and goes", () => "bob"],
    ["a new group each time", (round: number) => `new ${round}`],
  ])("does not help who is forgotten: %s shares with a backlog", (_, nameOf) => {
    const scene = new Scene();
    const owners = new Map<number, string>();
    for (const serial of scene.submit(40, { group: "ada" })) owners.set(serial, "ada");
    const served: string[] = [];
    for (let round = 0; round < 40; round++) {
      // Only one task beside the backlog at any time.
      if (served.at(-1) !== "ada") {
        const group = nameOf(round);
        owners.set(scene.submit(1, { group })[0]!, group);
      }
      served.push(...serve(scene, owners, 1));
    }
    const ofAda = served.filter((name) => name === "ada").length;
    expect(ofAda).toBeGreaterThanOrEqual(19);
    expect(ofAda).toBeLessThanOrEqual(30);
  });

  test("of workers is not made up for either", () => {
    const scene = new Scene();
    scene.register("w2", [], ["sms"]);
    scene.submit(20, { queue: "a", type: "sms" });
    scene.submit(60, { queue: "b" });
    scene.driver.one(registerOf("w3", { types: ["mail"] }));
    // Nobody serves the one queue for a while.
    scene.lease(30, "w3");
    const served = scene.serials(10);
    // Half of them, and the one that it was behind by.
    expect(served.filter((serial) => serial <= 20).length).toBeLessThanOrEqual(6);
  });
});

test.each(["queue", "group"] as const)(
  "what a %s missed while its worker was away is made up for in part only",
  (kind) => {
    const scene = new Scene();
    scene.register("w2", [], ["sms"]);
    scene.register("w3", [], ["mail"]);
    const place = (name: string) => (kind === "queue" ? { queue: name } : { group: name });
    scene.submit(900, { ...place("a"), type: "sms" });
    scene.submit(3000, place("b"));
    scene.lease(1, "w2");
    scene.lease(2000, "w3");
    const served = scene.serials(900);
    // Half of the thousand that it may be behind, and then every other one.
    const ofA = served.filter((serial) => serial <= 900).length;
    expect(Math.abs(ofA - 700)).toBeLessThanOrEqual(1);
  },
);

test("groups that are pulled up keep their distance, and who is further on stays", () => {
  const scene = new Scene();
  scene.register("w3", [], ["mail"]);
  const owners = new Map<number, string>();
  for (const group of ["a", "c", "d"]) {
    for (const serial of scene.submit(600, { group, type: "sms" })) owners.set(serial, group);
  }
  scene.register("w2", [], ["sms"]);
  scene.lease(300, "w2");
  scene.submit(3000, { group: "b" });
  scene.lease(2000, "w3");
  scene.restart();
  const served = scene.serials(900).map((serial) => owners.get(serial) ?? "b");
  const of = (name: string) => served.filter((owner) => owner === name).length;
  // All three stood side by side, and catch up side by side.
  expect(Math.max(of("a"), of("c"), of("d")) - Math.min(of("a"), of("c"), of("d"))).toBe(0);
  expect(of("b")).toBe(0);
});

describe("turns that have grown large", () => {
  test("are brought down together, and the order goes on", () => {
    const weights = [{ group: "ada", weight: 2 }];
    const run = (grown: number) => {
      const scene = new Scene();
      scene.configure("a", { groupWeights: weights });
      scene.submit(12, { queue: "a", group: "ada" });
      scene.submit(12, { queue: "a", group: "bob" });
      scene.submit(12, { queue: "b" });
      scene.lease(5);
      scene.restart();
      grow(scene, grown);
      const served = scene.serials(20);
      scene.restart();
      return [...served, ...scene.serials(20)];
    };
    expect(run(TURN_MAX)).toEqual(run(0));
  });

  test.each(["queue", "group"] as const)("leave who is behind behind: %s", (kind) => {
    const run = (grown: number) => {
      const scene = new Scene();
      scene.register("w2", [], ["sms"]);
      const place = (name: string) => (kind === "queue" ? { queue: name } : { group: name });
      scene.submit(50, { ...place("a"), type: "sms" });
      scene.submit(80, place("b"));
      scene.driver.one(registerOf("w3", { types: ["mail"] }));
      scene.lease(1, "w2");
      scene.lease(20, "w3");
      scene.restart();
      // Of those that are far behind nobody is as far as this.
      grow(scene, grown);
      return scene.serials(40);
    };
    const served = run(TURN_MAX + LAG_MAX);
    expect(served).toEqual(run(0));
    expect(served.filter((serial) => serial <= 50).length).toBeGreaterThan(25);
  });
});

/** As after very many grants: all turns are larger by `by` in the machine that starts next. */
function grow({ driver }: Scene, by: number): void {
  const { records } = driver.store;
  for (const [text, [key, value]] of records) {
    records.set(text, [key, grown(key[0]!, value, by).slice()]);
  }
  driver.restart();
}

function grown(kind: number, value: Uint8Array, by: number): Uint8Array {
  if (kind === META) {
    const meta = decodeMeta(value);
    return encodeMeta({ ...meta, queueTurn: meta.queueTurn + by });
  }
  if (kind === QUEUE) {
    const queue = decodeQueue(value);
    const turns = { turn: queue.turn + by, groupTurn: queue.groupTurn + by };
    return encodeQueue({ ...queue, ...turns }, 3);
  }
  if (kind !== GROUP) return value;
  const group = decodeGroup(value);
  return encodeGroup({ ...group, turn: group.turn + by });
}
