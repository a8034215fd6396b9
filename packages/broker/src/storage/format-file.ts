/**
 * The file `format` of a data directory: the version of the cluster that whatever lies beside it
 * may have been written for. A binary refuses a directory that is beyond what it knows, before it
 * looks at anything else. So the file is raised, durably, before the first byte that an older
 * binary could not read is written; and it is never lowered, whatever becomes of that byte.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeDurably } from "./durable-file.ts";
import { DataDirError, StorageDamage, StorageFault } from "./storage-error.ts";

export const FORMAT_FILE = "format";

const FIRST_FORMAT = 1;
/** The newest that this build can read and write. */
export const NEWEST_FORMAT = 4;

export class FormatFile {
  readonly #where: string;
  #version: number;
  #raising: Promise<void> = Promise.resolve();

  constructor(where: string, version: number) {
    this.#where = where;
    this.#version = version;
  }

  get version(): number {
    return this.#version;
  }

  /** Resolves once the file says at least `version`, durably; at once if it does. */
  raise(version: number): Promise<void> {
    if (version <= this.#version) return this.#raising;
    const raised = this.#raising.then(async () => {
      if (version > this.#version) await this.#write(version);
    });
    // Whoever asked hears of a fault, and ends the process; later ones find the former version.
    this.#raising = raised.catch(() => undefined);
    return raised;
  }

  async #write(version: number): Promise<void> {
    try {
      await writeDurably(this.#where, contentOf(version));
    } catch (error) {
      throw new StorageFault("data directory", `writing ${this.#where}`, error);
    }
    this.#version = version;
  }
}

/**
 * That of a directory that has one; undefined: it has none. Throws `DataDirError` for one that a
 * newer broker has written, `StorageDamage` and `StorageFault`.
 */
export async function openFormat(dataDir: string): Promise<FormatFile | undefined> {
  const where = join(dataDir, FORMAT_FILE);
  const content = await readFile(where, "latin1").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") {
      return undefined;
    }
    throw new StorageFault("data directory", `reading ${where}`, error);
  });
  if (content === undefined) {
    return undefined;
  }
  const version = Number(/^tq data ([1-9]\d{0,8})\n$/.exec(content)?.[1]);
  if (Number.isNaN(version)) {
    throw new StorageDamage("data directory", { what: "the format file is not valid", where });
  }
  if (version > NEWEST_FORMAT) {
    throw new DataDirError(
      `${dataDir} has data format ${version}, this tq-broker knows formats up to ` +
        `${NEWEST_FORMAT}: start the newer tq-broker that wrote it`,
    );
  }
  return new FormatFile(where, version);
}

/** For a new directory: what is written there first can be read by every binary. */
export async function createFormat(dataDir: string): Promise<FormatFile> {
  const where = join(dataDir, FORMAT_FILE);
  await writeDurably(where, contentOf(FIRST_FORMAT));
  return new FormatFile(where, FIRST_FORMAT);
}

/** All that any binary has ever read of it, so that the oldest one refuses with a clear word. */
function contentOf(version: number): string {
  return `tq data ${version}\n`;
}
