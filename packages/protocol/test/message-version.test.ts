/** Which messages an older peer could not read. */
import { type SubmitContent, type SubmitTask, versionOf } from "task-queue-protocol";
import { expect, test } from "vitest";

const CONTENT: SubmitContent = {
  type: "t",
  queue: "q",
  priority: "low",
  payload: new Uint8Array(),
  payloadType: "binary",
  delayMs: 1,
  runAt: 1,
  timeoutMs: 1,
  retry: { maxRetries: 1, jitter: 1 },
  idempotencyKey: "k",
  tags: ["a"],
  metadata: "{}",
  traceparent: "t",
};
const EXTRAS = {
  expiresInMs: 0,
  expiresAt: 0,
  unique: undefined,
  group: "",
  requires: [],
  dependsOn: [],
  onParentFailure: "fail",
} as const;
const id = new Uint8Array(16);

function submit(change: Partial<SubmitContent>): number {
  const task: SubmitTask = { id, content: { ...CONTENT, ...change } };
  return versionOf({ kind: "submit", tasks: [{ id, content: CONTENT }, task] });
}

test("what version 1 knows needs no more, and each thing that came later needs version 2", () => {
  expect(submit({})).toBe(1);
  expect(submit({ extras: EXTRAS })).toBe(1);
  expect(submit({ extras: { ...EXTRAS, group: "g" } })).toBe(2);
  expect(submit({ extras: { ...EXTRAS, dependsOn: [id] } })).toBe(2);
  expect(submit({ retry: { jitterKind: "full" } })).toBe(2);
  const done = { id, token: 1, result: new Uint8Array(), resultType: "json" } as const;
  expect(versionOf({ kind: "complete", items: [done] })).toBe(1);
  expect(versionOf({ kind: "complete", items: [done, { ...done, children: [] }] })).toBe(2);
  expect(versionOf({ kind: "ping" })).toBe(1);
});
