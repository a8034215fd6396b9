/** Random messages of every kind, for round trips. Two messages are equal when their fields are. */
import fc from "fast-check";
import {
  LOSS_REASONS,
  PRIORITY_NAMES,
  type SentKind,
  type SentMessage,
  type SubmitRetry,
} from "task-queue-protocol";

const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
const bytes = fc.uint8Array({ maxLength: 300 });
// Half-characters have no UTF-8 and are replaced on the way; they are tested by themselves.
const text = fc.string({ unit: "grapheme", maxLength: 90 });
const name = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 70 });
const u32 = fc.nat({ max: 0xffff_ffff });
const u64 = fc.maxSafeNat();
const texts = fc.array(text, { maxLength: 5 });
const tokens = fc.array(u64, { maxLength: 5 });
const flag = fc.boolean();
const payloadType = fc.constantFrom("json", "binary") as fc.Arbitrary<"json" | "binary">;
const priority = fc.constantFrom(...PRIORITY_NAMES);
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

const itemError = fc.record({
  ok: fc.constant(false as const),
  retryable: flag,
  code: text,
  message: text,
  field: text,
});

const retry: fc.Arbitrary<SubmitRetry> = fc.record(
  {
    maxRetries: u32,
    initialDelayMs: u64,
    multiplier: finite,
    maxDelayMs: u64,
    jitter: finite,
    backoff: fc.constantFrom("exponential", "linear", "fixed", "list"),
    delaysMs: tokens,
    jitterKind: fc.constantFrom("extra", "full", "equal"),
  },
  { requiredKeys: [] },
);

// Of nothing at all no extras come back, and a word on failed parents goes with parents.
const extras = fc
  .record({
    expiresInMs: u64,
    expiresAt: u64,
    unique: fc.option(
      fc.record({
        key: text,
        forMs: u64,
        onConflict: fc.constantFrom("keep", "replace", "reject"),
      }),
      { nil: undefined },
    ),
    group: name,
    requires: texts,
    dependsOn: fc.array(id, { maxLength: 3 }),
    onParentFailure: fc.constantFrom("fail", "cancel", "continue"),
  })
  .map((all) => (all.dependsOn.length > 0 ? all : { ...all, onParentFailure: "fail" as const }));

const content = fc.record({
  type: text,
  queue: name,
  priority,
  payload: bytes,
  payloadType,
  delayMs: u64,
  runAt: u64,
  timeoutMs: u64,
  retry,
  idempotencyKey: text,
  tags: texts,
  metadata: text,
  traceparent: text,
  extras: fc.option(extras, { nil: undefined }),
});

const delivered = fc.record({
  id,
  token: u64,
  attempt: u32,
  failures: u32,
  maxRetries: u32,
  priority,
  leaseMs: u32,
  timeoutMs: u64,
  createdAt: u64,
  type: text,
  queue: text,
  payload: bytes,
  payloadType,
  tags: texts,
  metadata: text,
  traceparent: text,
});

const lease = { id, token: u64 };

function list<T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.array(item, { maxLength: 4 });
}

const BODIES: { [K in SentKind]: Record<string, fc.Arbitrary<unknown>> } = {
  hello: {
    minVersion: fc.constant(1),
    maxVersion: fc.integer({ min: 1, max: 255 }),
    role: fc.constantFrom("client", "worker"),
    key: text,
    name: text,
    version: text,
  },
  welcome: {
    protocolVersion: fc.nat({ max: 255 }),
    nodeId: text,
    clusterId: text,
    version: text,
    leader: text,
    maxFrameBytes: u32,
    maxPayloadBytes: u32,
    leaseMs: u32,
    heartbeatMs: u32,
  },
  error: { retryable: flag, code: text, message: text, field: text },
  ping: {},
  pong: {},
  terminate: { address: text, reason: text },
  submit: { tasks: list(fc.record({ id, content })) },
  submitted: {
    index: u64,
    results: list(
      fc.oneof(
        fc.record({ ok: fc.constant(true), id, state: fc.nat({ max: 8 }), duplicate: flag }),
        itemError,
      ),
    ),
  },
  call: { verb: text, minIndex: u64, body: bytes },
  answer: { index: u64, body: bytes },
  register: {
    session: text,
    secret: id,
    name: text,
    queues: texts,
    types: texts,
    labels: texts,
    concurrency: u32,
    window: u32,
    held: tokens,
  },
  registered: { leaseMs: u32, heartbeatMs: u32, lost: tokens },
  notLeader: { address: text },
  bye: {},
  window: { window: u32 },
  heartbeat: {},
  heartbeatAck: {},
  deliver: { tasks: list(delivered) },
  leaseLost: { leases: list(fc.record({ ...lease, reason: fc.constantFrom(...LOSS_REASONS) })) },
  sessionEnded: {},
  complete: {
    items: list(
      fc.record({
        ...lease,
        result: bytes,
        resultType: payloadType,
        children: fc.option(list(fc.record({ id, content })), { nil: undefined }),
      }),
    ),
  },
  fail: {
    items: list(
      fc.record({
        ...lease,
        message: text,
        stack: text,
        retryAfterMs: fc.option(u64, { nil: undefined }),
        retryable: flag,
      }),
    ),
  },
  release: { items: list(fc.record(lease)) },
  extend: { items: list(fc.record({ ...lease, forMs: u64 })) },
  report: {
    items: list(
      fc.record({
        ...lease,
        progress: text,
        lines: list(fc.record({ level: fc.constantFrom("debug", "info", "warn", "error"), text })),
      }),
    ),
  },
  reported: {
    results: list(fc.oneof(fc.record({ ok: fc.constant(true), duplicate: flag }), itemError)),
  },
};

export const KINDS = Object.keys(BODIES) as SentKind[];

export function arbitraryMessage(kind: SentKind): fc.Arbitrary<SentMessage> {
  return fc.record({ kind: fc.constant(kind), ...BODIES[kind] }) as fc.Arbitrary<SentMessage>;
}

export const anyMessage: fc.Arbitrary<SentMessage> = fc.oneof(...KINDS.map(arbitraryMessage));
