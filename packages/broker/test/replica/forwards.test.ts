/**
 * A write is forwarded once. Whoever does not lead refuses it, and it goes back to the node of its
 * caller: two nodes that take each other for the leader would pass it to and fro.
 */

import type { Raft, Role } from "task-queue-raft";
import { expect, test } from "vitest";
import { encodeCommand, QueueMachine } from "../../src/queue/index.ts";
import { ClusterClock } from "../../src/replica/clock.ts";
import type { Compaction } from "../../src/replica/compaction.ts";
import { Intake } from "../../src/replica/intake.ts";
import { buildMachinery } from "../../src/replica/machinery.ts";
import { Requests } from "../../src/replica/requests.ts";
import { Writes } from "../../src/replica/writes.ts";
import { MemoryStore, makeId, submitOf } from "../queue/harness.ts";
import { toldBy } from "./told-by.ts";

const queue = new QueueMachine(new MemoryStore(), 0);
const start = { term: 0, index: 0 };
const machinery = buildMachinery(queue, start, new Uint8Array(), new ClusterClock(0, 0));
const forwards = [{ requestId: 7, command: encodeCommand(submitOf(makeId(1))) }];

function forwardTo(role: Role) {
  const requests = new Requests<string>(1);
  const membership = { voters: ["a", "b", "c"], learners: [] };
  const raft = { id: "a", role, leader: "c", membership } as Partial<Raft> as Raft;
  const compaction = { isOverfull: false } as Compaction;
  const writes = new Writes<string>(raft, requests, compaction, new Intake(raft));
  writes.forwards(machinery, "b", forwards, 0);
  return { queued: requests.queued, replies: toldBy(writes).forwardReplies };
}

test("a leader takes what is forwarded to it, and answers later", () => {
  const { queued, replies } = forwardTo("leader");
  expect(queued).toMatchObject([{ origin: { kind: "remote", peer: "b", requestId: 7 } }]);
  expect(replies).toEqual([]);
});

for (const role of ["follower", "preCandidate", "candidate"] as const) {
  test(`a ${role} sends it back instead of forwarding it on`, () => {
    const { queued, replies } = forwardTo(role);
    expect(queued).toEqual([]);
    expect(replies).toEqual([{ to: "b", replies: [{ requestId: 7, outcome: undefined }] }]);
  });
}
