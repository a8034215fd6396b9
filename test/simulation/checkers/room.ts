/**
 * No new tasks where there is no room: a leader that knows its own disk to be low, or those of so
 * many voters that the others are no quorum, appends no submit of its own, once those are over that
 * it had taken before. Held against what the process was told and what it hands to its disk.
 */
import type { NodeId, PersistBatch, Raft } from "task-queue-raft";
import { decodeBatch } from "../../../packages/broker/src/queue/index.ts";
import type { Envelope } from "../../../packages/broker/src/replica/index.ts";
import { demand } from "../violation.ts";

/** A write waits no longer than this to be proposed, and a little more. */
const TAKEN_BEFORE_MS = 6000;

export class RoomChecker {
  readonly #id: NodeId;
  #isLow = false;
  readonly #lowPeers = new Set<NodeId>();
  #raft: Raft | undefined;
  /** Since when it leads without room; begun anew by the shortest moment with some. */
  #since: number | undefined;

  constructor(id: NodeId) {
    this.#id = id;
  }

  told(isLow: boolean): void {
    this.#isLow = isLow;
    this.#freed();
  }

  heard(from: NodeId, { beacon }: Envelope): void {
    if (beacon === undefined) return;
    if (beacon.diskLow) this.#lowPeers.add(from);
    else this.#lowPeers.delete(from);
    this.#freed();
  }

  /** Between two turns of a process that was frozen there may have been room, and none again. */
  #freed(): void {
    if (this.#raft !== undefined && this.#hasRoom(this.#raft)) this.#since = undefined;
  }

  turned(raft: Raft, persists: readonly PersistBatch[], now: number): void {
    this.#raft = raft;
    if (raft.role !== "leader" || this.#hasRoom(raft)) {
      this.#since = undefined;
      return;
    }
    this.#since ??= now;
    if (now < this.#since + TAKEN_BEFORE_MS) return;
    for (const { entries } of persists) {
      for (const { kind, term, data, index } of entries) {
        if (kind !== "normal" || term !== raft.term) continue;
        const isNew = decodeBatch(data).commands.some(({ type }) => {
          return type === "submit" || type === "submitAll";
        });
        demand(!isNew, "no submit without room", () => {
          return `${this.#id} takes in a task at ${index}, ${now - this.#since!} ms without room`;
        });
      }
    }
  }

  #hasRoom({ id, membership }: Raft): boolean {
    if (this.#isLow) return false;
    const { voters } = membership;
    const low = voters.filter((voter) => voter !== id && this.#lowPeers.has(voter)).length;
    return (voters.length - low) * 2 > voters.length;
  }
}
