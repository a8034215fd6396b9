/**
 * Random commands against the naive model: every reply, task and counter must agree, with flushes
 * that begin and end anywhere and restarts that lose what was not flushed. A restarted machine
 * must have the hash of the one it replaces, and behave like it from then on.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FINISHED_STATES } from "../../src/operations/task-filter.ts";
import type { AccessKey } from "../../src/queue/access-key.ts";
import type { Command } from "../../src/queue/command.ts";
import type { Reply } from "../../src/queue/reply.ts";
import { TASK_STATES, type TaskId } from "../../src/queue/task.ts";
import { expectSameFeed, FeedWatcher } from "./feed-watcher.ts";
import { Driver } from "./harness.ts";
import { compareBlocks, compareHistory } from "./history-check.ts";
import { NaiveModel } from "./naive-model.ts";
import { keptLines } from "./naive-report.ts";
import { hex, viewOf } from "./naive-state.ts";
import { nextTask } from "./naive-turns.ts";
import { QUEUES, RandomCommands, STEPS_MS } from "./random-commands.ts";
import type { Step } from "./random-later.ts";

const step = fc.record({
  kind: fc.nat(99),
  a: fc.nat(999),
  b: fc.nat(999),
  c: fc.nat(999),
  d: fc.nat(999),
});

/** Both sides of the comparison, and the turns of a run. */
class Duel {
  readonly driver = new Driver();
  readonly model = new NaiveModel();
  readonly #commands = new RandomCommands(this.driver, this.model);
  readonly ids: readonly TaskId[] = this.#commands.ids;
  readonly #watcher = new FeedWatcher();
  #totals = this.driver.machine.totals();

  /** Goes over to the next version after the steps whose numbers `raises` says, the 1st to 2. */
  play(steps: readonly Step[], raises: readonly number[]): void {
    for (const [place, given] of steps.entries()) {
      for (const at of raises) if (at === place) this.#raise();
      this.#act(given);
      if (given.kind % 7 === 0) this.compare();
    }
    this.driver.flush();
    this.compare();
    compareBlocks(this.driver, this.model);
    this.#restart();
    this.compare();
  }

  #raise(): void {
    this.driver.raise(++this.model.version);
  }

  compare(): void {
    const { machine } = this.driver;
    for (const id of this.ids) this.#compareTask(id);
    this.#watcher.check(machine, this.ids);
    compareHistory(this.driver, this.model, QUEUES);
    const byKeyId = (a: AccessKey, b: AccessKey) => (hex(a.id) < hex(b.id) ? -1 : 1);
    expect(machine.accessKeys()).toEqual([...this.model.accessKeys].sort(byKeyId));
    for (const state of TASK_STATES) {
      expect(machine.counts()[state], state).toBe(this.model.count(state));
      for (const queue of QUEUES) {
        const counted = machine.queue(queue)?.counts[state] ?? 0;
        expect(counted, `${queue} ${state}`).toBe(this.model.count(state, queue));
      }
    }
    this.#compareTotals();
    const sessions = machine.sessions().map(({ id, deadline, renewals, lapsed }) => {
      return { id, deadline, renewals, lapsed };
    });
    const wanted = this.model.sessions.map(({ id, deadline, renewals, lapsed }) => {
      return { id, deadline, renewals, lapsed };
    });
    for (const { id, ...session } of this.model.sessions) {
      const isServed = !session.lapsed && nextTask(this.model, { id, ...session }) !== undefined;
      expect(machine.readyFor(id, 1), `ready for ${id}`).toBe(isServed ? 1 : 0);
    }
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
    expect(sessions.sort(byId)).toEqual(wanted.sort(byId));
  }

  /** What is counted for ever never falls, and what has not ended is live. */
  #compareTotals(): void {
    const { entered, ended, runs } = this.driver.machine.totals();
    const before = this.#totals;
    for (const [now, then] of [
      [entered, before.entered],
      [ended, before.ended],
      [runs, before.runs],
    ] as const) {
      expect(now).toBeGreaterThanOrEqual(then);
    }
    const live = TASK_STATES.filter((state) => !FINISHED_STATES.has(state));
    const count = live.reduce((sum, state) => sum + this.model.count(state), 0);
    expect(entered - ended).toBe(count);
    this.#totals = { entered, ended, runs };
  }

  #compareTask(id: TaskId): void {
    const view = this.driver.machine.task(id);
    const task = this.model.find(id);
    if (view === undefined || task === undefined || task.deleted) {
      expect(view).toBeUndefined();
      expect(task?.deleted ?? true).toBe(true);
      return;
    }
    const { content, lease, ...rest } = view;
    expect(content).toEqual(task.content);
    expect({ ...rest, session: lease?.session }).toEqual(viewOf(task));
    const log = this.driver.machine.logLines(id, 0, 1000);
    expect(log?.lines).toEqual(keptLines(task));
  }

  #act(given: Step): void {
    const { kind, a } = given;
    if (kind < 3) this.driver.beginFlush();
    else if (kind < 6) this.driver.endFlush();
    else if (kind < 8) this.#restart();
    else if (kind < 18) this.driver.now += STEPS_MS[a % STEPS_MS.length]!;
    else this.#send(this.#commands.command(given));
  }

  #send(command: Command): void {
    const wanted = this.model.apply({ at: this.driver.now, commands: [command] });
    const replies = this.driver.apply(command);
    expect(replies.map(plain), JSON.stringify(command)).toEqual(wanted.map(plain));
  }

  #restart(): void {
    const before = this.driver.machine;
    this.#watcher.check(before, this.ids);
    this.driver.restart();
    expect(this.driver.machine.effectHash).toBe(before.effectHash);
    expect(this.driver.machine.version).toBe(before.version);
    expect(this.driver.machine.totals()).toEqual(before.totals());
    expect(this.driver.machine.nextDeadline()).toBe(before.nextDeadline());
    expectSameFeed(before, this.driver.machine);
  }
}

/** Without the messages, which are for people. */
function plain(reply: Reply): unknown {
  if (reply.code === "leased") return reply;
  if (reply.code === "submitted") return reply.tasks.map(plain);
  if (reply.code !== "ok") return { code: reply.code, at: reply.at };
  return { ...reply, id: reply.id === undefined ? undefined : hex(reply.id) };
}

const EARLY = fc.nat(8);

/** After which steps the version is raised, first to 2, then to 3 and to 4. */
const RAISES: readonly (readonly [string, number, fc.Arbitrary<number[]>])[] = [
  ["at version 1", 15, fc.constant([])],
  ["at version 2", 15, fc.tuple(fc.nat(40))],
  ["at version 3", 60, fc.constant([0, 0])],
  ["at version 4", 30, fc.constant([0, 0, 0])],
  ["at version 3 after a while", 40, fc.tuple(EARLY, fc.integer({ min: 9, max: 120 }))],
];

describe("machine and naive model agree on every reply, task and counter", () => {
  test.each(RAISES)("%s", (_, numRuns, raises) => {
    const steps = fc.array(step, { minLength: 20, maxLength: 200, size: "max" });
    fc.assert(
      fc.property(steps, raises, (given, at) => new Duel().play(given, at)),
      // A failure names its seed at once: to shrink two hundred commands takes many minutes.
      { numRuns, endOnFailure: true },
    );
  });
});
