import { describe, expect, test } from "vitest";
import type { Command, Lease } from "../../src/queue/index.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/queue-settings.ts";
import { Dispatcher } from "../../src/replica/dispatcher.ts";
import { completeOf, Driver, makeId, registerOf, submitOf } from "../queue/harness.ts";

/** A real machine, and the dispatcher fed with what the replica would tell it of each entry. */
function setup(...sessions: readonly (readonly [name: string, types: readonly string[]])[]) {
  const driver = new Driver();
  const dispatcher = new Dispatcher(driver.machine);
  for (const [name, types] of sessions) {
    driver.apply(registerOf(name, { types }));
    dispatcher.attach(name);
    dispatcher.setWindow(name, 1);
  }
  const apply = (...commands: readonly Command[]): void => {
    const replies = driver.apply(...commands);
    commands.forEach((command, at) => {
      const reply = replies[at];
      if (command.type !== "lease") return;
      const tookAll = reply?.code === "leased" && reply.granted < command.count;
      dispatcher.leaseApplied(command.session, tookAll);
    });
    for (const event of driver.takeEvents()) {
      if (event.type === "ready") dispatcher.laneReady(event.lane);
    }
  };
  const asked = (batch: readonly Command[] = []): string[] =>
    dispatcher.leases(batch).map(({ session, count }) => `${session} ${count}`);
  return { driver, dispatcher, apply, asked };
}

const ALL = ["mail"];
let serial = 0;
const submit = (type = "mail") => submitOf(makeId(++serial), { type });
const lease = (session: string, count: number): Lease => ({ type: "lease", session, count });

/** Both have asked in vain, so that both are parked. */
function bothParked(first: readonly string[] = ALL, second: readonly string[] = ALL) {
  const all = setup(["w1", first], ["w2", second]);
  all.apply(lease("w1", 1), lease("w2", 1));
  return all;
}

describe("the dispatcher", () => {
  test("asks for what is ready, once", () => {
    const { apply, asked } = setup(["w1", ALL]);
    expect(asked()).toEqual([]);
    apply(submit());
    expect(asked()).toEqual(["w1 1"]);
    expect(asked()).toEqual([]);
    apply(lease("w1", 1));
    expect(asked()).toEqual([]);
  });

  test("asks for what the entry itself makes ready", () => {
    const { asked } = bothParked();
    expect(asked([submit(), submit(), submit()])).toEqual(["w1 1", "w2 1"]);
  });

  test("gives a task that was recalled to another, and to the same one when it has answered", () => {
    const { driver, dispatcher, apply, asked } = bothParked();
    const task = submit();
    apply(task, lease("w1", 1));
    const { token } = driver.machine.leases("w1")[0]!;
    const recall = { type: "recall", id: task.id, token } as const;
    dispatcher.countRecalled("w1");
    apply(recall);
    expect(asked()).toEqual(["w2 1"]);
    apply(lease("w2", 1), submit());
    expect(asked()).toEqual([]);
    dispatcher.setWindow("w1", 1);
    expect(asked()).toEqual(["w1 1"]);
  });

  test("takes two heartbeats for the answer of a worker that says no window", () => {
    const { dispatcher, apply, asked } = setup(["w1", ALL]);
    dispatcher.beat("w1");
    dispatcher.countRecalled("w1");
    apply(submit());
    dispatcher.beat("w1");
    expect(asked()).toEqual([]);
    dispatcher.beat("w1");
    expect(asked()).toEqual(["w1 1"]);
    expect(dispatcher.beat("w2")).toBe(false);
  });

  test("offers a task to another when the one woken for it has gone", () => {
    const { dispatcher, apply, asked } = bothParked();
    apply(submit());
    dispatcher.detach("w1");
    expect(asked()).toEqual(["w2 1"]);
  });

  test("offers a task to another when the one woken for it wants no more", () => {
    const { dispatcher, apply, asked } = bothParked();
    apply(submit());
    dispatcher.setWindow("w1", 0);
    expect(asked()).toEqual(["w2 1"]);
  });

  test("offers a task to another when the lease for it was refused", () => {
    const { dispatcher, apply, asked } = bothParked();
    apply(submit());
    expect(asked()).toEqual(["w1 1"]);
    apply({ type: "unregister", session: "w1" }, lease("w1", 1));
    dispatcher.detach("w1");
    expect(asked()).toEqual(["w2 1"]);
  });

  test("offers a task to another when the one woken for it was given something else", () => {
    const { apply, asked } = bothParked(["mail", "report"], ["mail"]);
    apply(submit("report"), submit("mail"));
    expect(asked()).toEqual(["w1 1", "w2 1"]);
    // Only w1 takes reports, and the report is first in line.
    apply(lease("w1", 1));
    apply(lease("w2", 1));
    expect(asked()).toEqual([]);
  });

  test("does not send everybody after one task", () => {
    const { apply, asked } = bothParked();
    apply(submit());
    expect(asked()).toEqual(["w1 1"]);
  });

  test("takes turns", () => {
    const { dispatcher, apply, asked } = bothParked();
    dispatcher.setWindow("w1", 5);
    dispatcher.setWindow("w2", 5);
    apply(submit());
    expect(asked()).toEqual(["w1 1"]);
    apply(lease("w1", 1), submit());
    expect(asked()).toEqual(["w2 1"]);
  });

  test("gives the next entry to another, though the first still has room", () => {
    const { dispatcher, asked } = bothParked();
    dispatcher.setWindow("w1", 2);
    dispatcher.setWindow("w2", 2);
    const turns = Array.from({ length: 5 }, () => asked([submit()]));
    expect(turns).toEqual([["w1 1"], ["w2 1"], ["w1 1"], ["w2 1"], []]);
  });

  test("keeps to the window when a session is attached anew while its lease is on its way", () => {
    const { dispatcher, apply, asked } = setup(["w1", ALL]);
    apply(submit(), submit());
    expect(asked()).toEqual(["w1 1"]);
    dispatcher.detach("w1");
    dispatcher.attach("w1");
    dispatcher.setWindow("w1", 1);
    expect(asked()).toEqual([]);
    apply(lease("w1", 1));
    expect(asked()).toEqual([]);
  });

  test("asks for tasks of each entry, though no earlier lease is applied, up to the window", () => {
    const { dispatcher, apply, asked } = setup(["w1", ALL]);
    dispatcher.setWindow("w1", 5);
    const tasks = Array.from({ length: 6 }, () => submit());
    expect(asked(tasks.slice(0, 1))).toEqual(["w1 1"]);
    expect(asked(tasks.slice(1, 2))).toEqual(["w1 1"]);
    expect(asked(tasks.slice(2, 6))).toEqual(["w1 3"]);
    expect(asked([submit()])).toEqual([]);
    apply(tasks[0]!, lease("w1", 1));
    expect(asked([submit()])).toEqual([]);
    dispatcher.countEnding("w1", 1);
    expect(asked([submit()])).toEqual(["w1 1"]);
  });

  test("asks for what else is ready behind a lease on its way, and for no task twice", () => {
    const { dispatcher, apply, asked } = setup(["w1", ALL]);
    dispatcher.setWindow("w1", 5);
    apply(submit(), submit());
    expect(asked()).toEqual(["w1 2"]);
    expect(asked()).toEqual([]);
    apply(submit());
    expect(asked([submit()])).toEqual(["w1 2"]);
    expect(asked()).toEqual([]);
    apply(lease("w1", 2));
    expect(asked()).toEqual([]);
    apply(submit(), lease("w1", 2));
    expect(asked()).toEqual([]);
    apply(submit());
    expect(asked()).toEqual(["w1 1"]);
  });

  test("a lease that found too little leaves those behind it counted", () => {
    const { dispatcher, apply, asked } = setup(["w1", ALL]);
    dispatcher.setWindow("w1", 2);
    expect(asked([submit()])).toEqual(["w1 1"]);
    expect(asked([submit()])).toEqual(["w1 1"]);
    apply(lease("w1", 1));
    expect(asked([submit(), submit()])).toEqual(["w1 1"]);
    apply(lease("w1", 1), lease("w1", 1));
    expect(asked([submit(), submit()])).toEqual(["w1 2"]);
  });

  test("asks again for what did not get into the log", () => {
    const { dispatcher, apply, asked } = setup(["w1", ALL]);
    apply(submit());
    dispatcher.leasesDropped(dispatcher.leases([]));
    expect(asked()).toEqual(["w1 1"]);
    dispatcher.setWindow("w1", 2);
    const tasks = [submit()];
    dispatcher.leasesDropped(dispatcher.leases(tasks));
    expect(asked(tasks)).toEqual(["w1 1"]);
    expect(asked([submit()])).toEqual([]);
  });
});

describe("the dispatcher, when limits hold tasks back,", () => {
  const SETTINGS = { ...DEFAULT_SETTINGS, concurrency: 1 };
  const configure = (rest: object): Command => {
    return { type: "configureQueue", queue: "default", ...rest };
  };

  function limited(settings: object = SETTINGS) {
    const all = bothParked();
    all.driver.raise(2);
    all.driver.raise(3);
    all.apply(configure({ settings }));
    return all;
  }

  test("sends one session after one free place, and the next when it is free again", () => {
    const { driver, dispatcher, apply, asked } = limited();
    apply(submit(), submit(), submit());
    expect(asked()).toEqual(["w1 1"]);
    apply(lease("w1", 1));
    dispatcher.setWindow("w1", 5);
    expect(asked()).toEqual([]);
    expect(asked([submit()])).toEqual([]);
    const [run] = driver.machine.leases("w1");
    apply({ type: "release", id: run!.id, token: run!.token });
    expect(asked()).toEqual(["w2 1"]);
  });

  test("asks for nothing of a paused queue, and again after the resume", () => {
    const { apply, asked } = limited(DEFAULT_SETTINGS);
    apply(configure({ paused: true }), submit(), submit());
    expect(asked()).toEqual([]);
    expect(asked([submit()])).toEqual([]);
    apply(configure({ paused: false }));
    expect(asked()).toEqual(["w1 1", "w2 1"]);
  });

  test("asks for a task of a group when a run of that group ends", () => {
    const { driver, apply, asked } = limited({ ...DEFAULT_SETTINGS, groupConcurrency: 1 });
    const ofAda = () => submitOf(makeId(++serial), { group: "ada" });
    apply(ofAda(), ofAda());
    expect(asked()).toEqual(["w1 1"]);
    apply(lease("w1", 1), lease("w2", 1));
    expect(asked()).toEqual([]);
    const [run] = driver.machine.leases("w1");
    apply({ type: "extend", id: run!.id, token: run!.token, forMs: 1 });
    expect(asked()).toEqual([]);
    apply(completeOf(run!.id, run!.token));
    expect(asked()).toHaveLength(1);
  });

  test("does not ask for a worker without the labels", () => {
    const { asked } = limited(DEFAULT_SETTINGS);
    expect(asked([submitOf(makeId(++serial), { requires: ["gpu=1"] })])).toEqual([]);
  });
});
