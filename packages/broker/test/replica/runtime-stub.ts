/** A runtime around a replica that wants nothing: for tests of the event loop alone. */
import { emptyOutputs } from "../../src/replica/output.ts";
import { type NodeReplica, Runtime } from "../../src/runtime.ts";
import { MemoryIdentityStore } from "../../src/storage/memory-identity-store.ts";
import { MemoryLogStore } from "../../src/storage/memory-log-store.ts";
import { MemoryStateDirectory } from "../../src/storage/memory-state-directory.ts";

const running: Runtime[] = [];

export async function closeAll(): Promise<void> {
  for (const runtime of running.splice(0)) await runtime.close();
}

/** Started, and next to be called at `deadline`. */
export function startWith(deadline: () => number) {
  const advances: { readonly now: number; readonly wallMs: number }[] = [];
  const replica = {
    advance: (now: number, wallMs: number) => advances.push({ now, wallMs }),
    queue: { applied: 0 },
    turn: () => ({ ...emptyOutputs(), notes: [] }),
    nextDeadline: deadline,
  };
  const faults: string[] = [];
  const runtime = new Runtime({
    replica: replica as unknown as NodeReplica,
    clusterId: "c",
    log: new MemoryLogStore(),
    states: new MemoryStateDirectory(),
    identity: new MemoryIdentityStore({
      nodeId: "a",
      incarnation: "a",
      formation: undefined,
      founded: true,
      boots: 1,
      hardState: { term: 0, vote: undefined },
    }),
    bus: {
      send() {},
      forward() {},
      forwardReply() {},
      fetchSnapshot() {
        throw new Error("nobody is there");
      },
      setRoster() {},
      async close() {},
    },
    raiseFormat: async () => {},
    walSyncIntervalMs: 0,
    logger: { info() {}, warn() {} },
    onFatal: (what, error) => faults.push(`${what}: ${error}`),
    onRemoved: () => {},
    onLost: (reason) => faults.push(`lost: ${reason}`),
  });
  running.push(runtime);
  runtime.start();
  return { runtime, advances, faults };
}
