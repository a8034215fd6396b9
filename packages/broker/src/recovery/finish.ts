/**
 * What a start does first when the last one has given this node up: gets the others to list it as a
 * new incarnation, moves away what the former one has left, and makes a directory for the new one.
 * Every step can be repeated after a crash, and until the last one is done no store is opened.
 *
 * The bus port is held meanwhile: nobody else may do the same with this directory.
 */
import { join } from "node:path";
import { memberOf } from "../cluster-bus.ts";
import type { Config } from "../config/config.ts";
import { EXIT, StartupError } from "../exit-status.ts";
import type { NodeLogger } from "../observe/logger.ts";
import type { Formation } from "../ports.ts";
import { clusterVersionOf } from "../replica/index.ts";
import { foundAs, IDENTITY_FILE } from "../storage/data-dir.ts";
import { peekIdentity } from "../storage/identity-store.ts";
import { StorageDamage } from "../storage/storage-error.ts";
import { BusServer } from "../transport/bus-server.ts";
import { rejoinCaller } from "../transport/rejoin-call.ts";
import type { BusSecurity } from "../transport/security.ts";
import { askToRejoin } from "./ask.ts";
import { LostData } from "./lost-data.ts";
import { type Rejoin, readRejoin, removeRejoin, writeRejoin } from "./rejoin-file.ts";
import { folderNameAt, setAside, setAsideSoFar } from "./set-aside.ts";

export interface FinishOptions {
  readonly config: Config;
  readonly log: NodeLogger;
  readonly signal: AbortSignal;
  /** Of the bus; plain text without. */
  readonly security?: BusSecurity | undefined;
  /** An operator vouches for this directory. */
  readonly acceptRestored: boolean;
  /** ms. */
  readonly wallMs: () => number;
}

/**
 * Resolves when the stores may be opened: at once for a node that never gave itself up. Returns
 * the way back that is not at its end yet. Throws `StartupError`, or what the disk throws.
 */
export async function finishRecovery(options: FinishOptions): Promise<Rejoin | undefined> {
  const { dataDir } = options.config.persistence;
  let rejoin = await readRejoin(dataDir).catch((error) => {
    if (!(error instanceof StorageDamage)) throw error;
    throw new LostData(dataDir, "the rejoin file is damaged", { isWhole: false, cause: error });
  });
  if (rejoin?.phase === "asking") {
    if (options.acceptRestored) return await callOff(options, rejoin);
    rejoin = await ask(options, rejoin);
  }
  if (rejoin?.phase === "settingAside") rejoin = await makeRoom(options, rejoin);
  return rejoin;
}

/** The operator says that the directory is as it should be; whether it is whole is seen later. */
async function callOff(
  { config, log }: FinishOptions,
  { confirmed, isWhole }: Rejoin,
): Promise<undefined> {
  const { dataDir } = config.persistence;
  if (isWhole && !confirmed) {
    await removeRejoin(dataDir);
    log.warn({}, `${dataDir} is no longer to be given up: it was accepted as restored`);
    return undefined;
  }
  const why = isWhole
    ? "the others may have replaced this node already"
    : "it is damaged, and what was lost cannot be accepted";
  throw new StartupError(
    EXIT.damagedData,
    `--accept-restored-data is of no use for ${dataDir}: ${why}; start without it`,
  );
}

async function ask(options: FinishOptions, known: Rejoin): Promise<Rejoin> {
  const { config, log, signal, security, wallMs } = options;
  const { dataDir } = config.persistence;
  let rejoin = known;
  const server = await BusServer.listen({
    host: config.broker.host,
    port: config.raft.port,
    log,
    security,
  }).catch((error) => {
    throw new StartupError(EXIT.unavailable, error.message, { cause: error });
  });
  try {
    const member = memberOf(config, rejoin.incarnation);
    const buses = rejoin.buses.filter((bus) => bus !== member.bus);
    const since = new Date(rejoin.since).toISOString();
    const words = `${rejoin.nodeId} asks ${buses.join(", ")} to take it back`;
    log.info({ incarnation: rejoin.incarnation, since }, `${words}: ${rejoin.reason}`);
    const onConfirmed = async (wasVoter: boolean) => {
      rejoin = { ...rejoin, confirmed: true, wasVoter: wasVoter || rejoin.wasVoter };
      await writeRejoin(dataDir, rejoin);
    };
    const call = rejoinCaller({ security });
    const formation = await askToRejoin({ rejoin, member, buses, onConfirmed, call, log, signal });
    rejoin = { ...rejoin, phase: "settingAside", folder: folderNameAt(wallMs()), formation };
    await writeRejoin(dataDir, rejoin);
    return rejoin;
  } finally {
    await server.close();
  }
}

async function makeRoom({ config, log }: FinishOptions, rejoin: Rejoin): Promise<Rejoin> {
  const { dataDir } = config.persistence;
  const { nodeId, incarnation } = rejoin;
  const { folder, formation } = rejoin as Rejoin & { folder: string; formation: Formation };
  const identity = await peekIdentity(join(dataDir, IDENTITY_FILE)).catch(() => undefined);
  if (identity?.incarnation !== incarnation) {
    await setAside(dataDir, folder);
    await foundAs(dataDir, { nodeId, incarnation, formation }, clusterVersionOf(formation));
  }
  const joining: Rejoin = { ...rejoin, phase: "joining" };
  await writeRejoin(dataDir, joining);
  const { folders, bytes } = await setAsideSoFar(dataDir);
  log.warn(
    { folders, bytes },
    `${nodeId} is a member again, as incarnation ${incarnation}, and fetches everything anew. ` +
      `What it had before is in ${join(dataDir, folder)}; all such folders take ` +
      `${Math.ceil(bytes / 1024 ** 2)} MB and may be deleted when nobody wants to look at them`,
  );
  return joining;
}
