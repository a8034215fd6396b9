/**
 * Merging what a node's state has on its disk: records that were removed take room until LevelDB
 * comes to their tables by itself. It concerns the node that is asked and no other.
 */
import type { CompactJson } from "task-queue-protocol";
import type { Broker } from "./broker.ts";
import type { Answer } from "./read-options.ts";

/** Asked again while it is under way, it is the same one. */
export async function compactState(broker: Broker): Promise<Answer<CompactJson>> {
  const { beforeBytes, afterBytes } = await broker.compactState();
  const { nodeId, applied } = broker.status();
  const value = { node_id: nodeId, before_bytes: beforeBytes, after_bytes: afterBytes };
  return { value, index: applied };
}
