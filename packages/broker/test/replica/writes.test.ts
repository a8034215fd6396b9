import type { Raft } from "task-queue-raft";
import { expect, test } from "vitest";
import { encodeCommand, QueueMachine } from "../../src/queue/index.ts";
import { ClusterClock } from "../../src/replica/clock.ts";
import type { Compaction } from "../../src/replica/compaction.ts";
import { Intake } from "../../src/replica/intake.ts";
import { buildMachinery } from "../../src/replica/machinery.ts";
import { Requests } from "../../src/replica/requests.ts";
import { Writes } from "../../src/replica/writes.ts";
import { MemoryStore, makeId, submitOf } from "../queue/harness.ts";

const command = submitOf(makeId(1));
const queue = new QueueMachine(new MemoryStore(), 0);
const start = { term: 0, index: 0 };
const machinery = buildMachinery(queue, start, new Uint8Array(), new ClusterClock(0, 0));

function setup(role: Raft["role"], isOverfull: boolean) {
  const requests = new Requests<string>(1);
  const membership = { voters: ["a", "b", "c"], learners: [] };
  const raft = { id: "a", role, membership } as Partial<Raft> as Raft;
  const writes = new Writes(raft, requests, { isOverfull } as Compaction, new Intake(raft));
  return { requests, writes };
}

test("a leader whose log is full takes no writes, and says why", () => {
  const { requests, writes } = setup("leader", true);
  writes.request(machinery, command, "w", undefined, 0);
  writes.forwards("b", [{ requestId: 7, command: encodeCommand(command) }], 0);
  const { outcomes, forwardReplies } = writes.take();
  const message = "the log is full until a member has received its snapshot; try again later";
  const outcome = { kind: "refused", code: "overloaded", message };
  expect(outcomes).toEqual([{ waiter: "w", outcome }]);
  expect(forwardReplies).toEqual([{ to: "b", replies: [{ requestId: 7, outcome: undefined }] }]);
  expect(requests.queued).toEqual([]);
});

test("nobody else refuses for that, and the leader only while it is full", () => {
  for (const [role, isOverfull] of [
    ["follower", true],
    ["leader", false],
  ] as const) {
    const { requests, writes } = setup(role, isOverfull);
    writes.request(machinery, command, "w", undefined, 0);
    expect(requests.queued).toHaveLength(1);
    expect(writes.take().outcomes).toEqual([]);
  }
});
