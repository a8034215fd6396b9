/**
 * How far an import has come: a small file beside the export, one for each cluster. It is replaced
 * as a whole, and stays when the import is done, since it holds the time from which ids follow.
 */
import { randomUUID } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { CliError, EXIT, unwritten } from "../exit-status.ts";
import type { Place } from "./line-reader.ts";

export interface Tally {
  readonly made: number;
  /** They had been made before, and have not ended. */
  readonly duplicate: number;
  /** They had been made before, and have ended or are deleted. */
  readonly ended: number;
  /** In the cluster that the export is of: what it has is not what the file says. */
  readonly known: number;
  readonly refused: number;
  readonly queues_refused: number;
  /** Passed over: their time to begin was over, and those that had ended. */
  readonly expired: number;
  readonly finished: number;
}

export const NO_TALLY: Tally = {
  made: 0,
  duplicate: 0,
  ended: 0,
  known: 0,
  refused: 0,
  queues_refused: 0,
  expired: 0,
  finished: 0,
};

export interface Progress {
  /** Of the export that it belongs to. */
  readonly sha256: string;
  /** When the import first began, ms since 1970. */
  readonly at: number;
  /** New names of queues, by their old ones. */
  readonly names: Readonly<Record<string, string>>;
  /** All up to here is done, */
  readonly place: Place;
  /** except these lines, which were refused, or wait for one further on. */
  readonly left: readonly number[];
  /** The queues are as the export says: they belong to whoever changes them from now on. */
  readonly settled: boolean;
  readonly tally: Tally;
}

const CLUSTER_CHARACTERS = 8;
const OWNER_ONLY = 0o600;

export class Journal {
  readonly path: string;

  constructor(exportPath: string, clusterId: string) {
    this.path = `${exportPath}.import-${clusterId.slice(0, CLUSTER_CHARACTERS)}`;
  }

  /** Undefined: there is none, or it is of another export. */
  async read(sha256: string): Promise<Progress | undefined> {
    try {
      const found = JSON.parse(await readFile(this.path, "utf8")) as Progress;
      return found.sha256 === sha256 ? found : undefined;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      const why = (cause as Error).message;
      throw new CliError(EXIT.data, `${this.path}: ${why}; without it ids may differ`, cause);
    }
  }

  async write(progress: Progress): Promise<void> {
    // A name that nobody can have put a link to something else under.
    const beside = `${this.path}.${randomUUID()}.new`;
    const options = { mode: OWNER_ONLY, flush: true, flag: "wx" };
    try {
      await writeFile(beside, `${JSON.stringify(progress)}\n`, options);
      await rename(beside, this.path);
    } catch (cause) {
      await rm(beside, { force: true }).catch(() => {});
      throw unwritten(this.path, cause);
    }
  }
}
