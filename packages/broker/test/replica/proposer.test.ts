/** What the leader says of tasks before they go into the log, however they come. */
import type { Raft } from "task-queue-raft";
import { expect, test } from "vitest";
import {
  type Command,
  decodeBatch,
  newTasksOf,
  QueueMachine,
  type RetryPolicy,
} from "../../src/queue/index.ts";
import { ClusterClock } from "../../src/replica/clock.ts";
import { ENTRY_BYTES_MAX } from "../../src/replica/limits.ts";
import { buildMachinery } from "../../src/replica/machinery.ts";
import type { ReplicaSettings } from "../../src/replica/options.ts";
import { Proposer } from "../../src/replica/proposer.ts";
import { Requests } from "../../src/replica/requests.ts";
import { completeOf, MemoryStore, makeId, RETRY, submitOf } from "../queue/harness.ts";

const TYPES = new Map<string, Partial<RetryPolicy>>([
  ["sync", { maxRetries: 2, backoff: "list", delaysMs: [5, 9], jitterKind: "full" }],
]);

/** The commands of the one entry that this becomes. */
function proposed(command: Command, version = 1): readonly Command[] {
  return entriesOf([command], TYPES, version).flat();
}

/** Each entry that these become, one proposed after the other. */
function entriesOf(
  commands: readonly Command[],
  types: Pick<typeof TYPES, "get">,
  version = 1,
): readonly (readonly Command[])[] {
  const entries: Uint8Array[] = [];
  const raft = {
    propose: (data: Uint8Array) => ({ term: 1, index: entries.push(data) }),
  } as unknown as Raft;
  const clock = new ClusterClock(0, 0);
  const retry = { ...RETRY, maxRetries: 9 };
  const settings = { retry, retryOfTypes: types, depthLimit: 77 } as unknown as ReplicaSettings;
  const requests = new Requests<string>(1);
  const start = { term: 0, index: 0 };
  const queue = new QueueMachine(new MemoryStore(), 0);
  for (let to = 2; to <= version; to++) {
    queue.skip(to);
    queue.raise(to);
  }
  const machinery = buildMachinery(queue, start, new Uint8Array(), clock);
  for (const command of commands) {
    requests.add({ kind: "local", waiter: "w", session: undefined }, command, 0);
  }
  machinery.office.opened();
  const proposer = new Proposer(raft, clock, settings, requests);
  while (proposer.propose(machinery, 0));
  return entries.map((data) => decodeBatch(data).commands);
}

const { type: _, ...one } = submitOf(makeId(1), { retry: { multiplier: 3 } });
const { type: __, ...two } = submitOf(makeId(2));

test("what no longer fits is completed once", () => {
  let asked = 0;
  const types = {
    get: () => {
      asked++;
      return undefined;
    },
  };
  const payload = new Uint8Array(ENTRY_BYTES_MAX / 2);
  const commands = [1, 2, 3].map((serial) => submitOf(makeId(serial), { payload }));
  expect(entriesOf(commands, types)).toHaveLength(3);
  expect(asked).toBe(3);
});

test.each<[string, Command]>([
  ["a submit", { type: "submit", ...one }],
  ["a batch", { type: "submitAll", tasks: [one, two] }],
  ["children", { ...completeOf(makeId(3), 1), children: [one, two] }],
])("%s gets the leader's settings, and what its submitter said goes before", (_, command) => {
  const made = proposed(command).flatMap(newTasksOf);
  expect(made).toHaveLength(newTasksOf(command).length);
  for (const { content, retry, depthLimit } of made) {
    expect(retry).toEqual({ ...RETRY, maxRetries: 9, ...content.retry });
    expect(depthLimit).toBe(77);
  }
  expect(made[0]!.retry.multiplier).toBe(3);
});

test("a type may have a policy of its own; before version 3 as far as older programs know it", () => {
  const sync = (retry: Partial<RetryPolicy>, version: number) => {
    const command = submitOf(makeId(4), { type: "sync", retry });
    return proposed(command, version).flatMap(newTasksOf)[0]!.retry;
  };
  const ofType = { ...RETRY, maxRetries: 2, backoff: "list", delaysMs: [5, 9], jitterKind: "full" };
  expect(sync({}, 3)).toEqual(ofType);
  expect(sync({ maxRetries: 7 }, 3)).toEqual({ ...ofType, maxRetries: 7 });
  // A share of jitter goes before the type's kind of it.
  expect(sync({ jitter: 0.5 }, 3)).toEqual({ ...ofType, jitterKind: "extra", jitter: 0.5 });
  expect(sync({}, 1)).toEqual({ ...RETRY, maxRetries: 2 });
});
