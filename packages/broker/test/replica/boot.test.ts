/** A start of a node that has been up before: nothing of its former life is taken for its own. */
import { expect, test } from "vitest";
import { bootReplica } from "../../src/boot.ts";
import { encodeReply } from "../../src/queue/index.ts";
import { MemoryLogStore } from "../../src/storage/memory-log-store.ts";
import { MemoryStateStore } from "../../src/storage/memory-state-store.ts";
import { makeId, RETRY, submitOf } from "../queue/harness.ts";

const MEMBERS = ["a", "b"].map((id) => {
  return { id, incarnation: id, bus: `${id}:1`, address: `${id}:2`, voter: true };
});

/** Node `a` at its start number `boots`, with `b` as its leader and one write on its way there. */
async function startNumber(boots: number) {
  const formation = { clusterId: "c", revision: 0, members: MEMBERS };
  const replica = await bootReplica({
    identity: {
      nodeId: "a",
      incarnation: "a",
      formation,
      founded: true,
      boots,
      hardState: { term: 0, vote: undefined },
    },
    formation,
    self: MEMBERS[0]!,
    log: new MemoryLogStore(),
    state: new MemoryStateStore(),
    settings: { retry: RETRY, depthLimit: 0, snapshotEntries: 1000, priority: 0 },
    electionTimeoutMs: 1000,
    heartbeatIntervalMs: 100,
    commitUnsynced: false,
  });
  const message = { type: "heartbeat", from: "b", to: "a", term: 1, commit: 0, round: 1 } as const;
  replica.receive("b", { message, beacon: undefined });
  replica.request(submitOf(makeId(1)), () => {});
  const [sent] = replica.turn().forwards;
  expect(sent).toMatchObject({ to: "b", forwards: [{}] });
  return { replica, requestId: sent!.forwards[0]!.requestId };
}

test("an answer to a write of a former life is no answer to one of this life", async () => {
  const { requestId: late } = await startNumber(1);
  const { replica, requestId } = await startNumber(2);
  const accepted = { code: "ok", id: undefined, state: undefined, duplicate: false } as const;
  const outcome = { reply: encodeReply(accepted), index: 5 };
  replica.forwardReplies([{ requestId: late, outcome }]);
  expect(replica.turn().outcomes).toEqual([]);
  replica.forwardReplies([{ requestId, outcome }]);
  expect(replica.turn().outcomes).toMatchObject([{ outcome: { kind: "applied", index: 5 } }]);
});
