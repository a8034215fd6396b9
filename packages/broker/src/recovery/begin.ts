/**
 * The moment in which a node gives itself up: from here on it is nobody until the others list it as
 * a new incarnation. Possible only while its identity is sound and there are others to ask. The
 * file it leaves is durable before anything is said to anybody.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { EXIT, StartupError } from "../exit-status.ts";
import type { Formation, Identity, Roster } from "../ports.ts";
import { decodeRoster } from "../replica/index.ts";
import { IDENTITY_FILE } from "../storage/data-dir.ts";
import { createFormat, NEWEST_FORMAT, openFormat } from "../storage/format-file.ts";
import { peekIdentity } from "../storage/identity-store.ts";
import { readStatePointer, stateName } from "../storage/state-pointer.ts";
import { openStateStore } from "../storage/state-store.ts";
import { StorageDamage } from "../storage/storage-error.ts";
import { busOf, parsePeer } from "../transport/peers.ts";
import type { LostData } from "./lost-data.ts";
import { type Rejoin, readRejoin, writeRejoin } from "./rejoin-file.ts";

export interface BeginOptions {
  readonly config: Config;
  readonly lost: LostData;
  readonly log: { warn(fields: object, text: string): void };
  /** ms. */
  readonly wallMs: number;
}

/**
 * The stores are closed. Throws a `StartupError` that says what a person can do when this node
 * cannot come back by itself.
 */
export async function beginRecovery({ config, lost, log, wallMs }: BeginOptions): Promise<void> {
  const { dataDir } = config.persistence;
  const stayDown = (why: string) => {
    throw new StartupError(EXIT.damagedData, `${lost.message}. ${why}`, { cause: lost });
  };
  if (!config.raft.enabled) return stayDown(ALONE);
  const identity = await peekIdentity(join(dataDir, IDENTITY_FILE)).catch((error) => {
    if (error instanceof StorageDamage) return undefined;
    throw error;
  });
  if (identity === undefined) return stayDown(noIdentity(config));
  const { formation } = identity;
  if (formation === undefined) return stayDown(NO_CLUSTER);
  const roster = newerOf(formation, await salvageRoster(dataDir));
  const buses = busesOf(config, roster);
  if (buses.length === 0) return stayDown(ALONE);
  await shutOutOlderPrograms(dataDir);
  const before = await readRejoin(dataDir).catch(() => undefined);
  await writeRejoin(dataDir, rejoinOf(identity, formation, lost, { buses, before, wallMs }));
  const words = `${identity.nodeId} must not take part as it was: ${lost.reason}`;
  log.warn({ reason: lost.reason }, `${words}. It asks the others to take it back anew`);
}

const ALONE =
  "There are no other members to fetch the data from. Do not delete or edit single files: keep a " +
  "copy of the data directory, and restore a backup into an empty one";

const NO_CLUSTER =
  "This node belongs to no cluster yet and has nothing to lose: start it with an empty " +
  "persistence.data_dir";

function noIdentity({ raft, broker }: Config): string {
  return (
    "Who this node was is lost as well, so that it cannot come back by itself. Move the data " +
    "directory away, start this node with an empty one, and run " +
    `tq-admin members replace ${raft.nodeId}@${broker.advertise} --promote on another one`
  );
}

function rejoinOf(
  { nodeId, incarnation }: Identity,
  { clusterId }: Formation,
  { reason, isWhole }: LostData,
  known: {
    readonly buses: readonly string[];
    readonly before: Rejoin | undefined;
    readonly wallMs: number;
  },
): Rejoin {
  return {
    phase: "asking",
    clusterId,
    nodeId,
    former: incarnation,
    incarnation: randomBytes(16).toString("hex"),
    reason,
    isWhole,
    since: known.wallMs,
    confirmed: false,
    // On its way back already, it was listed as a learner only because it had not caught up yet.
    wasVoter: known.before?.phase === "joining" && known.before.wasVoter,
    buses: known.buses,
  };
}

/** They know nothing of the rejoin file, and would go on as the incarnation that is given up. */
async function shutOutOlderPrograms(dataDir: string): Promise<void> {
  const format = await openFormat(dataDir).catch((error) => {
    if (error instanceof StorageDamage) return undefined;
    throw error;
  });
  await (format ?? (await createFormat(dataDir))).raise(NEWEST_FORMAT);
}

/** Where others may be: as configured, and as the last known members have it. */
function busesOf({ raft }: Config, roster: Roster): readonly string[] {
  const own = roster.members.find(({ id }) => id === raft.nodeId)?.bus;
  const listed = roster.members.map(({ bus }) => bus);
  const buses = new Set([...raft.peers.map(parsePeer).map(busOf), ...listed]);
  if (own !== undefined) buses.delete(own);
  return [...buses];
}

function newerOf(formation: Formation, applied: Roster | undefined): Roster {
  return applied !== undefined && applied.revision > formation.revision ? applied : formation;
}

/** The members that the state was written with last, if that much of it can be read. */
async function salvageRoster(dataDir: string): Promise<Roster | undefined> {
  try {
    const pointer = await readStatePointer(dataDir);
    if (pointer === undefined) return undefined;
    const directory = join(dataDir, stateName(pointer.number));
    const state = await openStateStore(directory, { mode: "existing" });
    const { membership } = state.mark;
    await state.close();
    return membership.length > 0 ? decodeRoster(membership) : undefined;
  } catch {
    return undefined;
  }
}
