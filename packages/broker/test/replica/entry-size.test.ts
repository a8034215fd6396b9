/** How much one entry takes: followers get it in one message, which has a bound. */
import fc from "fast-check";
import type { Raft } from "task-queue-raft";
import { expect, test } from "vitest";
import {
  type Command,
  type CommandType,
  DEFAULT_SETTINGS,
  encodeBatch,
  GROUP_WEIGHTS_MAX,
  QueueMachine,
  type RetryPolicy,
} from "../../src/queue/index.ts";
import { ClusterClock } from "../../src/replica/clock.ts";
import { fillEntry, sizeOf } from "../../src/replica/entry-size.ts";
import { ENTRY_BYTES_MAX, ENTRY_COMMANDS_MAX } from "../../src/replica/limits.ts";
import { buildMachinery } from "../../src/replica/machinery.ts";
import type { ReplicaSettings } from "../../src/replica/options.ts";
import { Proposer } from "../../src/replica/proposer.ts";
import { Requests } from "../../src/replica/requests.ts";
import { command } from "../queue/arbitrary-command.ts";
import { MemoryStore, makeId, RETRY, submitOf } from "../queue/harness.ts";

const ID = new Uint8Array(16);

function reportOf(bytes: number): Command {
  const result = new Uint8Array(bytes);
  return { type: "complete", id: ID, token: 1, result, resultType: "binary" };
}

function times(count: number, bytes: number) {
  return Array.from({ length: count }, () => reportOf(bytes));
}

function fill(commands: readonly Command[]): Command[] {
  return fillEntry(commands.map((each) => ({ command: each, bytes: sizeOf(each) })));
}

function encodedBytes(command: Command): number {
  return encodeBatch({ at: 2 ** 52, commands: [command] }).length;
}

test("an entry closes before its commands exceed its bound", () => {
  const commands = fill(times(50, ENTRY_BYTES_MAX / 10));
  const bytes = commands.reduce((sum, command) => sum + sizeOf(command), 0);
  expect(bytes).toBeLessThanOrEqual(ENTRY_BYTES_MAX);
  expect(commands).toHaveLength(9);
});

test("a single command beyond it gets an entry of its own", () => {
  const large = reportOf(3 * ENTRY_BYTES_MAX);
  expect(fill([large, ...times(5, 1)])).toEqual([large]);
  expect(fill([...times(5, 1), large])).toEqual(times(5, 1));
});

test("an entry takes so many commands and not one more", () => {
  expect(fill(times(ENTRY_COMMANDS_MAX + 1, 0))).toHaveLength(ENTRY_COMMANDS_MAX);
  expect(fill([])).toEqual([]);
});

test("no command weighs more than what it is counted for, nor much less", () => {
  const met = new Set<CommandType>();
  fc.assert(
    fc.property(command, (given) => {
      met.add(given.type);
      const bytes = encodedBytes(given);
      expect(sizeOf(given), given.type).toBeGreaterThanOrEqual(bytes);
      expect(sizeOf(given), given.type).toBeLessThanOrEqual(3 * bytes + 256);
    }),
    { numRuns: 2_000 },
  );
  expect(met.size).toBe(28);
});

const LONG = "\u{20AC}".repeat(80);
const IDS = Array.from({ length: 1_000 }, (_, at) => makeId(at));
const TEXTS = IDS.map((_, at) => `${LONG}${at}`);
const KEYS = TEXTS.map((key) => ({ queue: LONG, key }));
const FILTER = {
  state: "dead",
  queue: "",
  type: "",
  fingerprint: "",
  createdFrom: 0,
  createdTo: 0,
  finishedFrom: 0,
  finishedTo: 0,
} as const;
const { type: _, ...TASK } = submitOf(makeId(1), { tags: TEXTS.slice(0, 20) });

test.each<Command>([
  { type: "submitAll", tasks: IDS.map((id) => ({ ...TASK, id })) },
  submitOf(makeId(1), { dependsOn: IDS, metadata: JSON.stringify({ TEXTS }) }),
  { type: "cancel", id: ID, reason: LONG.repeat(9) },
  { type: "retry", id: ID, requestId: new Uint8Array(5_000) },
  { type: "renew", sessions: TEXTS },
  { type: "report", session: "s", runs: [runOf(TEXTS)] },
  {
    type: "configureQueue",
    queue: "q",
    settings: { ...DEFAULT_SETTINGS, groupWeights: weightsOf(TEXTS) },
  },
  { type: "deleteQueue", queue: LONG.repeat(9) },
  {
    type: "startJob",
    id: ID,
    kind: "retry",
    filter: { ...FILTER, tag: LONG.repeat(9) },
    dryRun: false,
    perSecond: 0,
  },
  { type: "stepJob", id: ID, step: 1, tasks: IDS, cursor: new Uint8Array(5_000) },
  { type: "expunge", what: "task", tasks: IDS.map((id) => ({ id, finishedAt: 2 ** 52 })) },
  { type: "forget", tombstones: IDS, idempotencyKeys: KEYS, uniqueKeys: KEYS },
])("the length of $type counts", (large) => {
  const bytes = encodedBytes(large);
  expect(bytes).toBeGreaterThan(2_000);
  expect(sizeOf(large)).toBeGreaterThanOrEqual(bytes);
  expect(sizeOf(large)).toBeLessThan(1.2 * bytes + 256);
});

function runOf(texts: readonly string[]) {
  const lines = texts.map((text) => ({ level: "info" as const, text }));
  return { id: ID, token: 1, progress: LONG, lines };
}

function weightsOf(groups: readonly string[]) {
  return groups.map((group) => ({ group, weight: 7 }));
}

/** The entries that these become, and how many of them there was room for. */
function entriesOf(commands: readonly Command[], retryOfType: Partial<RetryPolicy> = {}) {
  const entries: Uint8Array[] = [];
  const raft = {
    propose: (data: Uint8Array) => ({ term: 1, index: entries.push(data) }),
  } as unknown as Raft;
  const clock = new ClusterClock(0, 0);
  const retryOfTypes = new Map([["mail", retryOfType]]);
  const settings = { retry: RETRY, retryOfTypes, depthLimit: 0 } as unknown as ReplicaSettings;
  const requests = new Requests<string>(1);
  const queue = new QueueMachine(new MemoryStore(), 0);
  queue.skip(1);
  queue.raise(3);
  const start = { term: 0, index: 0 };
  const machinery = buildMachinery(queue, start, new Uint8Array(), clock);
  machinery.office.opened();
  const origin = { kind: "local", waiter: "w", session: undefined } as const;
  const taken = commands.filter((command) => requests.add(origin, command, 0) !== undefined);
  const proposer = new Proposer(raft, clock, settings, requests);
  while (requests.queued.length > 0) proposer.propose(machinery, 0);
  return { sizes: entries.map(({ length }) => length), taken: taken.length };
}

test("forty large settings at once become entries that can be sent", () => {
  const groups = Array.from({ length: GROUP_WEIGHTS_MAX }, (_, at) => `${at}`.padStart(255, "0"));
  const settings = { ...DEFAULT_SETTINGS, groupWeights: weightsOf(groups) };
  const commands = Array.from({ length: 40 }, (_, at): Command => {
    return { type: "configureQueue", queue: `q${at}`, settings };
  });
  const { sizes, taken } = entriesOf(commands);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(ENTRY_BYTES_MAX);
  expect(sizes.length).toBeGreaterThan(taken / 4);
  // Those beyond what a node lets wait are refused, and can be sent again.
  expect(taken).toBeGreaterThan(30);
  expect(taken).toBeLessThan(40);
});

test("what the leader adds to a task counts", () => {
  const delaysMs = Array.from({ length: 100 }, () => 3e11);
  const submits = Array.from({ length: 5_000 }, (_, at) => submitOf(makeId(at), { type: "mail" }));
  const { sizes, taken } = entriesOf(submits, { backoff: "list", delaysMs });
  expect(taken).toBe(5_000);
  expect(sizes.length).toBeGreaterThan(1);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(ENTRY_BYTES_MAX);
});
