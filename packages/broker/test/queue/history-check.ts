/**
 * Holds what the machine keeps beside the history against the naive model: indexes, groups of
 * errors, summaries of blocks, bytes of queues, jobs.
 */
import { expect } from "vitest";
import { glance } from "../../src/queue/codec/finished-glance.ts";
import { decodeBlock, decodeErrorGroup } from "../../src/queue/codec/history-records.ts";
import { decodeFinished, idOfFinishedKey } from "../../src/queue/history.ts";
import { errorGroupRange, keyText, numberOfBlockKey } from "../../src/queue/keys.ts";
import type { TaskState } from "../../src/queue/task.ts";
import type { HistoryFilter, KeyRange } from "../../src/queue/view.ts";
import { type Driver, type Entry, makeId } from "./harness.ts";
import {
  errorGroups,
  finishedBytes,
  finishedTasks,
  lastFinished,
  nextFinished,
} from "./naive-history.ts";
import type { NaiveModel } from "./naive-model.ts";
import { hex } from "./naive-state.ts";
import { TAGS } from "./random-history.ts";

const BLOCKS: KeyRange = { gte: Uint8Array.of(0x42, 0x2f), lt: Uint8Array.of(0x42, 0x30) };

/** What a reader finds: the store with the machine's overlay over it. */
export function scan({ machine, store }: Driver, range: KeyRange): Entry[] {
  const found = new Map(store.scan(range).map((entry) => [keyText(entry[0]), entry]));
  for (const { key, value } of machine.historyOverlay(range)) {
    if (value === undefined) found.delete(keyText(key));
    else found.set(keyText(key), [key, value]);
  }
  return [...found.keys()].sort().map((key) => found.get(key)!);
}

export function idsIn(driver: Driver, range: KeyRange): string[] {
  return scan(driver, range).map(([key]) => hex(idOfFinishedKey(key)));
}

export function compareHistory(driver: Driver, model: NaiveModel, queues: readonly string[]): void {
  const { machine } = driver;
  compareIndexes(driver, model);
  for (const [key, value] of scan(driver, machine.historyRange(undefined))) {
    const { state, type, queue, createdAt, finishedAt } = decodeFinished(key, value);
    expect(glance(value)).toEqual({ state, type, queue, createdAt, finishedAt });
  }
  const groups = scan(driver, errorGroupRange(undefined));
  expect(groups.map(([, value]) => decodeErrorGroup(value))).toEqual(errorGroups(model));
  for (const { fingerprint } of errorGroups(model)) {
    const deaths = model.deaths.filter((death) => death.fingerprint === fingerprint);
    const ids = deaths.filter(({ isOver }) => !isOver).map(({ id }) => id);
    expect(idsIn(driver, machine.errorRange(fingerprint, undefined))).toEqual(ids.sort());
  }
  const jobs = [...model.jobs].sort((a, b) => (hex(a.id) < hex(b.id) ? -1 : 1));
  expect(machine.jobs()).toEqual(jobs);
  for (const queue of queues) {
    expect(machine.queue(queue)?.finishedBytes ?? 0).toBe(finishedBytes(model, queue));
    compareSkips(driver, model, { queue });
    compareSkips(driver, model, { queue, states: ["dead"], finishedTo: driver.now - 60_000 });
  }
  compareSkips(driver, model, { type: "sms", finishedFrom: driver.now - 60_000 });
  compareSkips(driver, model, {});
}

/** To be called right after a flush: then the records say what the machine knows. */
export function compareBlocks({ store }: Driver, model: NaiveModel): void {
  const wanted = new Map<number, number[]>();
  const final: TaskState[] = ["completed", "dead", "cancelled", "expired"];
  for (const { state, order, endedIn } of finishedTasks(model)) {
    if (endedIn < 3) continue;
    const counts = wanted.get(Math.floor(order / 1000)) ?? [0, 0, 0, 0];
    counts[final.indexOf(state)]!++;
    wanted.set(Math.floor(order / 1000), counts);
  }
  const found = store.scan(BLOCKS).map(([key, value]) => {
    return [numberOfBlockKey(key), decodeBlock(value).counts] as const;
  });
  expect(new Map(found)).toEqual(wanted);
}

function compareIndexes(driver: Driver, model: NaiveModel): void {
  const { machine } = driver;
  for (const state of ["dead", "cancelled", "expired"] as const) {
    const tasks = finishedTasks(model).filter((task) => task.state === state);
    const found = idsIn(driver, machine.finishedRange(state, undefined));
    expect(found, state).toEqual(tasks.map(({ id }) => hex(id)));
  }
  for (const tag of TAGS) {
    const tasks = model.tasks.filter(({ content, deleted, madeIn }) => {
      return content.tags.includes(tag) && !deleted && madeIn >= 3;
    });
    const found = idsIn(driver, machine.tagRange(tag, undefined));
    expect(found, tag).toEqual(tasks.map(({ id }) => hex(id)).sort());
  }
}

/** Nothing that a reader looks for is passed over, and where nothing is left that is said. */
function compareSkips({ machine, now }: Driver, model: NaiveModel, filter: HistoryFilter): void {
  for (const after of [makeId(0, 0), makeId(0, now - 60_000), makeId(0, now)]) {
    const skipped = machine.skipTo(after, filter);
    const next = nextFinished(model, after, filter);
    if (next !== undefined) expect(skipped && hex(skipped) <= hex(next.id)).toBe(true);
    if (skipped !== undefined) expect(hex(skipped) >= hex(after)).toBe(true);
  }
  for (const before of [undefined, makeId(0, now - 60_000), makeId(0, now)]) {
    const skipped = machine.skipBack(before, filter);
    const last = lastFinished(model, before, filter);
    if (last !== undefined) expect(skipped && hex(skipped) > hex(last.id)).toBe(true);
    if (skipped !== undefined && before !== undefined) {
      expect(hex(skipped) <= hex(before)).toBe(true);
    }
  }
  if (finishedTasks(model).length === 0) expect(machine.skipTo(makeId(0, 0), {})).toBeUndefined();
}
