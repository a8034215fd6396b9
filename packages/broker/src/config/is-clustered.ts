/** Whether the settings are those of one broker among several. */
import type { Settings } from "./schema.ts";

/** Because it says so, or because it names others and does not deny it. */
export function isClustered(raft: Settings["raft"]): boolean {
  return raft.enabled ?? raft.peers.length > 0;
}
