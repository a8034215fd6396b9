import type { Raft } from "task-queue-raft";
import { expect, test } from "vitest";
import { type Command, decodeReply, encodeCommand, QueueMachine } from "../../src/queue/index.ts";
import { ClusterClock } from "../../src/replica/clock.ts";
import type { Compaction } from "../../src/replica/compaction.ts";
import { Intake } from "../../src/replica/intake.ts";
import { buildMachinery } from "../../src/replica/machinery.ts";
import { Requests } from "../../src/replica/requests.ts";
import { Writes } from "../../src/replica/writes.ts";
import { MemoryStore, makeId, submitOf } from "../queue/harness.ts";
import { toldBy } from "./told-by.ts";

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
  writes.forwards(machinery, "b", [{ requestId: 7, command: encodeCommand(command) }], 0);
  const { outcomes, forwardReplies } = toldBy(writes);
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
    expect(toldBy(writes).outcomes).toEqual([]);
  }
});

/** Worked with version `version` up to here. */
function machineryAt(version: number) {
  const machine = new QueueMachine(new MemoryStore(), 0);
  machine.skip(1);
  if (version > 1) machine.raise(version);
  const clock = new ClusterClock(0, 0);
  return buildMachinery(machine, { term: 1, index: 1 }, new Uint8Array(), clock);
}

const later = submitOf(makeId(1), { group: "customer 7" });
const message =
  "this needs version 3 of the cluster, which works with 2: tq-admin upgrade finalize";

test("what an older binary could not read is refused before it is forwarded or proposed", () => {
  for (const role of ["follower", "leader"] as const) {
    const { requests, writes } = setup(role, false);
    writes.request(machineryAt(2), later, "w", undefined, 0);
    const reply = { code: "state_conflict", message };
    const outcome = { kind: "applied", reply, index: 1 };
    expect(toldBy(writes).outcomes).toEqual([{ waiter: "w", outcome }]);
    expect(requests.queued).toEqual([]);
    writes.request(machineryAt(3), later, "w", undefined, 0);
    expect(requests.queued).toHaveLength(1);
  }
});

test("a leader refuses the same of a node that is further than it is", () => {
  const { requests, writes } = setup("leader", false);
  const forwards = [{ requestId: 7, command: encodeCommand(later) }];
  writes.forwards(machineryAt(2), "b", forwards, 0);
  const [told] = toldBy(writes).forwardReplies;
  const outcome = told!.replies[0]!.outcome!;
  expect(decodeReply(outcome.reply)).toEqual({ code: "state_conflict", message });
  expect(requests.queued).toEqual([]);
  writes.forwards(machineryAt(3), "b", forwards, 0);
  expect(requests.queued).toHaveLength(1);
});

test("keys and recalls wait for version 4, and say how that comes", () => {
  const id = makeId(1);
  const key = { name: "k", verifier: id, permissions: ["admin"], createdBy: "root", expiresAt: 0 };
  const commands: Command[] = [
    { type: "createKey", id, ...key },
    { type: "revokeKey", id, at: 0 },
    { type: "recall", id, token: 1 },
  ];
  for (const command of commands) {
    const { requests, writes } = setup("leader", false);
    writes.request(machineryAt(3), command, "w", undefined, 0);
    const early = message.replace("version 3", "version 4").replace("with 2", "with 3");
    const outcome = {
      kind: "applied",
      reply: { code: "state_conflict", message: early },
      index: 1,
    };
    expect(toldBy(writes).outcomes).toEqual([{ waiter: "w", outcome }]);
    writes.request(machineryAt(4), command, "w", undefined, 0);
    expect(requests.queued).toHaveLength(1);
  }
});
