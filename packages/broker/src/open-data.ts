/**
 * Opens a broker's data directory, and judges whether a node with this past may take part: one that
 * has lost what it promised, or was removed, must not vote.
 */
import type { Config } from "./config/config.ts";
import { EXIT, StartupError } from "./exit-status.ts";
import type { NodeLogger } from "./observe/logger.ts";
import type { Identity, Roster } from "./ports.ts";
import { decodeRoster } from "./replica/index.ts";
import { type DataDir, openDataDir } from "./storage/data-dir.ts";
import { DataDirError, StorageDamage } from "./storage/storage-error.ts";

/** Throws `StartupError`, or what a broken disk throws. */
export async function openData(config: Config, log: NodeLogger): Promise<DataDir> {
  const path = config.persistence.dataDir;
  const options = {
    path,
    nodeId: config.raft.nodeId,
    maxConnections: config.broker.maxConnections,
  };
  const data = await openDataDir(options).catch((error) => {
    if (error instanceof DataDirError) {
      throw new StartupError(EXIT.cannotCreate, error.message, { cause: error });
    }
    if (error instanceof StorageDamage) {
      throw new StartupError(EXIT.damagedData, error.message, { cause: error });
    }
    throw error;
  });
  const trouble = troubleWith(data);
  if (trouble !== undefined) {
    await data.close();
    throw new StartupError(trouble.exitStatus, `${path} ${trouble.text}`);
  }
  if (data.identity.copied) {
    const text = "is a copy: work that was done after the copy was made will be done again";
    log.warn({}, `${path} ${text}`);
    await data.identity.acceptCopy();
  }
  return data;
}

/**
 * The members as this node's own disk knows them; undefined while it belongs to no cluster. A node
 * that has just joined still reads of the cluster's life before it: then its formation is newer.
 */
export function rosterOf({ identity, states }: Pick<DataDir, "identity" | "states">) {
  return newerRoster(identity.identity, states.live.mark.membership);
}

export function newerRoster(
  { formation }: Pick<Identity, "formation">,
  membership: Uint8Array,
): Roster | undefined {
  const applied = membership.length > 0 ? decodeRoster(membership) : undefined;
  if (applied === undefined || formation === undefined) return applied ?? formation;
  return formation.revision > applied.revision ? formation : applied;
}

interface Trouble {
  readonly exitStatus: number;
  readonly text: string;
}

/** Why this node's vote could undo what other members rely on; undefined = it may take part. */
function troubleWith(data: DataDir): Trouble | undefined {
  const { verdict, identity } = data;
  const { nodeId, incarnation, formation } = identity.identity;
  const advice =
    "This node does not start, for its vote could undo what the others rely on. They keep the " +
    "data; bring back the original directory.";
  const damaged = (what: string) => ({ exitStatus: EXIT.damagedData, text: `${what}. ${advice}` });
  if (verdict.kind === "recovering") {
    return damaged(`has lost entries that were acknowledged: ${verdict.reason}`);
  }
  const members = rosterOf(data)?.members ?? [];
  if (identity.copied && members.length > 1) {
    return damaged("is a copy of a cluster member's directory and may be older than its promises");
  }
  const listed = members.some((each) => each.id === nodeId && each.incarnation === incarnation);
  if (members.length > 0 && !listed) {
    const text =
      `is that of a node that was removed from cluster ${formation?.clusterId ?? ""}. To bring ` +
      "it back, start it with an empty persistence.data_dir and name it to tq-admin members add";
    return { exitStatus: EXIT.removed, text };
  }
  return undefined;
}
