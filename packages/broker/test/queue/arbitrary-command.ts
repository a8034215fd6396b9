/** Commands with any values that their types allow, of every type, for the tests of properties. */
import fc from "fast-check";
import { NO_EXTRAS } from "../../src/queue/codec/content.ts";
import type { Batch, Command, NewTask } from "../../src/queue/command.ts";
import { JOB_KINDS } from "../../src/queue/job.ts";
import type { RetryPolicy, TaskContent } from "../../src/queue/task.ts";
import {
  BACKOFFS,
  JITTER_KINDS,
  LOG_LEVELS,
  PARENT_FAILURES,
  PRIORITIES,
  TASK_STATES,
  UNIQUE_CONFLICTS,
} from "../../src/queue/task.ts";

export const uint = fc.oneof(fc.nat(300), fc.maxSafeNat());
const ratio = fc.double({ min: 0, max: 1e9, noNaN: true }).map((value) => value + 0);
export const text = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: "grapheme", maxLength: 30 }),
);
const bytes = fc.uint8Array({ maxLength: 200 });
export const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
const texts = fc.array(text, { maxLength: 5 });

const backoffs = {
  backoff: fc.constantFrom(...BACKOFFS),
  delaysMs: fc.array(uint, { maxLength: 5 }),
  jitterKind: fc.constantFrom(...JITTER_KINDS),
};
const policy: fc.Arbitrary<RetryPolicy> = fc.record({
  ...backoffs,
  maxRetries: uint,
  initialDelayMs: uint,
  multiplier: ratio,
  maxDelayMs: uint,
  jitter: ratio,
});

const unique = fc.record({
  key: text,
  forMs: uint,
  onConflict: fc.constantFrom(...UNIQUE_CONFLICTS),
});
const NO_PARENTS = { dependsOn: [], onParentFailure: "fail" } as const;
const parents = fc.oneof(
  fc.constant(NO_PARENTS),
  fc.record({
    dependsOn: fc.array(id, { minLength: 1, maxLength: 4 }),
    onParentFailure: fc.constantFrom(...PARENT_FAILURES),
  }),
);
const extras = fc.record({
  expiresInMs: uint,
  expiresAt: uint,
  unique: fc.option(unique, { nil: undefined }),
  group: text,
  requires: texts,
});
const plainContent = fc.record({
  type: text,
  queue: text,
  priority: fc.constantFrom(...PRIORITIES),
  payload: bytes,
  payloadType: fc.constantFrom("json" as const, "binary" as const),
  delayMs: uint,
  runAt: uint,
  timeoutMs: uint,
  retry: fc.record(
    {
      ...backoffs,
      maxRetries: uint,
      initialDelayMs: uint,
      multiplier: ratio,
      maxDelayMs: uint,
      jitter: ratio,
    },
    { requiredKeys: [] },
  ),
  idempotencyKey: text,
  tags: texts,
  metadata: text,
  traceparent: text,
});
export const content: fc.Arbitrary<TaskContent> = fc.oneof(
  fc.tuple(plainContent, extras, parents).map(([a, b, c]) => ({ ...a, ...b, ...c })),
  plainContent.map((plain) => ({ ...plain, ...NO_EXTRAS })),
);

const error = fc.record({ message: text, stack: text });
const ended = fc.array(fc.nat(1000), { minLength: 1, maxLength: 4 });
const task: fc.Arbitrary<NewTask> = fc.record(
  { id, content, retry: policy, depthLimit: uint, ended },
  { requiredKeys: ["id", "content", "retry", "depthLimit"] },
);
const weight = fc.integer({ min: 1, max: 1000 });
const settings = fc.record({
  depthLimit: uint,
  defaultTtlMs: uint,
  retry: fc.record({ ...backoffs, maxRetries: uint }, { requiredKeys: [] }),
  concurrency: uint,
  groupConcurrency: uint,
  weight,
  groupWeights: fc.array(fc.record({ group: text, weight }), { maxLength: 3 }),
  deadLetterQueue: text,
  retention: fc.record({
    ageMs: uint,
    deadAgeMs: uint,
    count: uint,
    bytes: uint,
    resultAgeMs: uint,
    logAgeMs: uint,
  }),
});
const filter = fc.record({
  state: fc.constantFrom(...TASK_STATES, undefined),
  queue: text,
  type: text,
  tag: text,
  fingerprint: text,
  createdFrom: uint,
  createdTo: uint,
  finishedFrom: uint,
  finishedTo: uint,
});
const line = fc.record({ level: fc.constantFrom(...LOG_LEVELS), text });
const lines = fc.array(line, { maxLength: 3 });
const runs = fc.array(fc.record({ id, token: uint, progress: text, lines }), { maxLength: 3 });
const ids = fc.array(id, { maxLength: 3 });
const keys = fc.array(fc.record({ queue: text, key: text }), { maxLength: 3 });
const laterCommands = [
  fc.record({ type: fc.constant("submitAll"), tasks: fc.array(task, { maxLength: 3 }) }),
  fc.record({
    type: fc.constant("complete"),
    id,
    token: uint,
    result: bytes,
    resultType: fc.constantFrom("json", "binary"),
    children: fc.array(task, { minLength: 1, maxLength: 2 }),
  }),
  fc.record(
    { type: fc.constant("reschedule"), id, runAt: uint, ifUpdatedAt: fc.nat() },
    { requiredKeys: ["type", "id", "runAt"] },
  ),
  fc.record({ type: fc.constant("report"), session: text, runs }),
  fc.record(
    {
      type: fc.constant("configureQueue"),
      queue: text,
      ifRevision: fc.nat(),
      settings,
      paused: fc.boolean(),
      draining: fc.boolean(),
    },
    { requiredKeys: ["type", "queue"] },
  ),
  fc.record(
    { type: fc.constant("deleteQueue"), queue: text, ifRevision: fc.nat() },
    { requiredKeys: ["type", "queue"] },
  ),
  fc.record({
    type: fc.constant("startJob"),
    id,
    kind: fc.constantFrom(...JOB_KINDS),
    filter,
    dryRun: fc.boolean(),
    perSecond: uint,
  }),
  fc.record({ type: fc.constant("stepJob"), id, step: uint, tasks: ids, cursor: bytes }),
  fc.record({ type: fc.constant("cancelJob"), id }),
  fc.record({
    type: fc.constant("expunge"),
    what: fc.constantFrom("task", "result", "log"),
    tasks: fc.array(fc.record({ id, finishedAt: uint }), { maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant("forget"),
    tombstones: ids,
    idempotencyKeys: keys,
    uniqueKeys: keys,
  }),
];
const newestCommands = [
  fc.record({ type: fc.constant("recall"), id, token: uint }),
  fc.record({
    type: fc.constant("createKey"),
    id,
    name: text,
    verifier: bytes,
    permissions: texts,
    createdBy: text,
    expiresAt: uint,
  }),
  fc.record({ type: fc.constant("revokeKey"), id, at: uint }),
];
export const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ type: fc.constant("submit"), id, content, retry: policy, depthLimit: uint }),
  fc.record({ type: fc.constant("lease"), session: text, count: uint }),
  fc.record({ type: fc.constant("extend"), id, token: uint, forMs: uint }),
  fc.record({ type: fc.constant("release"), id, token: uint }),
  fc.record({
    type: fc.constant("complete"),
    id,
    token: uint,
    result: bytes,
    resultType: fc.constantFrom("json", "binary"),
  }),
  fc.record({
    type: fc.constant("fail"),
    id,
    token: uint,
    error,
    retryAfterMs: fc.option(fc.nat(), { nil: undefined }),
    retryable: fc.boolean(),
  }),
  fc.record({ type: fc.constant("cancel"), id, reason: text }),
  fc.record({ type: fc.constantFrom("retry", "delete"), id, requestId: bytes }),
  fc.record({
    type: fc.constant("register"),
    session: text,
    secret: bytes,
    name: text,
    queues: texts,
    types: texts,
    labels: texts,
    concurrency: uint,
    version: text,
    leaseMs: uint,
  }),
  fc.record({ type: fc.constant("renew"), sessions: texts }),
  fc.record({ type: fc.constant("unregister"), session: text }),
  fc.record({ type: fc.constant("lapse"), session: text, renewals: uint }),
  fc.record({ type: fc.constant("wake"), max: uint }),
  fc.record({ type: fc.constant("takeOffice") }),
  ...laterCommands,
  ...newestCommands,
) as fc.Arbitrary<Command>;

export const batch: fc.Arbitrary<Batch> = fc.record({
  at: uint,
  commands: fc.array(command, { maxLength: 6 }),
});
