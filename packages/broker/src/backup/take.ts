/**
 * Takes backups of this node's state, for whoever wants one, one at a time: its bytes are read from
 * a view that stays the same while the cluster goes on, as slowly as they are taken.
 */
import type { StateView } from "../ports.ts";
import { StateCheck, SUMMARY_RANGES, successor } from "../queue/index.ts";
import type { SnapshotHeader } from "../snapshots/format.ts";
import type { OpenSnapshot } from "../snapshots/source.ts";
import { type BackupHeader, encodeBackup } from "./format.ts";

export interface BackupsOptions {
  readonly nodeId: string;
  /** Of this program. */
  readonly version: string;
  /** See `SnapshotSource.take`. */
  readonly take: (reader: string, minIndex: number, signal: AbortSignal) => Promise<OpenSnapshot>;
  readonly wallMs: () => number;
}

export interface OpenBackup {
  readonly header: BackupHeader;
  readonly bytes: AsyncGenerator<Uint8Array>;
  /** To be called in any case. */
  close(): Promise<void>;
}

/** Somebody else takes one just now. */
export class BackupBusy extends Error {
  override readonly name = "BackupBusy";
}

/** No node has this name. */
const READER = "a backup";
/** Records of queues read at a time. */
const ROWS = 1_000;

export class Backups {
  readonly #options: BackupsOptions;
  #isTaken = false;

  constructor(options: BackupsOptions) {
    this.#options = options;
  }

  /** Includes at least entry `minIndex`. Throws `BackupBusy`, or why there is none to be had. */
  async open(minIndex: number, signal: AbortSignal): Promise<OpenBackup> {
    if (this.#isTaken) throw new BackupBusy("another backup is being taken from this node");
    this.#isTaken = true;
    let snapshot: OpenSnapshot | undefined;
    const close = async () => {
      this.#isTaken = false;
      await snapshot?.close();
    };
    try {
      snapshot = await this.#options.take(READER, minIndex, signal);
      const header = await this.#describe(snapshot.header, snapshot.view);
      return { header, bytes: encodeBackup(header, snapshot.frames), close };
    } catch (error) {
      await close();
      throw error;
    }
  }

  async #describe(
    { clusterId, id, index, term }: SnapshotHeader,
    view: StateView,
  ): Promise<BackupHeader> {
    const { nodeId, version, wallMs } = this.#options;
    const { clock, version: clusterVersion, queues, tasks } = await summarize(view);
    return {
      cluster_id: clusterId,
      node_id: nodeId,
      snapshot_id: id,
      index,
      term,
      cluster_time: new Date(clock).toISOString(),
      created_at: new Date(wallMs()).toISOString(),
      cluster_version: clusterVersion,
      program_version: version,
      queues,
      tasks,
    };
  }
}

async function summarize(view: StateView) {
  const check = new StateCheck();
  for (const range of SUMMARY_RANGES) {
    let { gte } = range;
    for (;;) {
      const rows = await view.scan({ gte, lt: range.lt }, ROWS);
      for (const row of rows) check.add(row);
      const last = rows.at(-1);
      if (last === undefined || rows.length < ROWS) break;
      gte = successor(last[0]);
    }
  }
  return check.summary();
}
