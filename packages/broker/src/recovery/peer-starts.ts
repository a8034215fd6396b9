/**
 * How often each other member had started when it was last let in: the file `peers` in the data
 * directory. A member that comes with an earlier start runs on a directory that was rolled back,
 * and has forgotten promises; nobody but the others can know. Kept on disk, for a power cut that
 * restarts all of them must not make them forget.
 *
 *     tq peers 1
 *     <JSON in one line: node id -> [incarnation, start, its name]>
 *     <CRC-32 of the lines above>
 *
 * It is a second line of defence, so that a damaged or lost file means "nothing known", not a stop.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { writeDurably } from "../storage/durable-file.ts";
import { StorageFault } from "../storage/storage-error.ts";
import { NO_START, type PeerStarts, type Start } from "../transport/doorkeeper.ts";

export const PEER_STARTS_FILE = "peers";

/** More names than a cluster has members; the oldest is forgotten. */
const PEERS_MAX = 64;
const HEADER = "tq peers 1\n";
const PATTERN = /^(tq peers 1\n(.*)\n)([0-9a-f]{8})\n$/;

type Known = readonly [incarnation: string, number: number, name?: string];

export interface PeerStartsOptions {
  readonly dataDir: string;
  /** The file could not be written. */
  readonly onFault: (what: string, error: unknown) => void;
}

/** Throws `StorageFault` when the disk does not answer. */
export async function openPeerStarts(options: PeerStartsOptions): Promise<StoredPeerStarts> {
  const where = join(options.dataDir, PEER_STARTS_FILE);
  const content = await readFile(where, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw new StorageFault("data directory", `reading ${where}`, error);
  });
  return new StoredPeerStarts(where, decode(content), options.onFault);
}

export class StoredPeerStarts implements PeerStarts {
  readonly #where: string;
  readonly #onFault: PeerStartsOptions["onFault"];
  readonly #known: Map<string, Known>;
  #writing: Promise<void> | undefined;
  #isDirty = false;

  /** Use `openPeerStarts`. */
  constructor(where: string, known: Map<string, Known>, onFault: PeerStartsOptions["onFault"]) {
    this.#where = where;
    this.#known = known;
    this.#onFault = onFault;
  }

  newest(nodeId: string, incarnation: string): Start {
    const [known, number, name = ""] = this.#known.get(nodeId) ?? ["", 0];
    return known === incarnation ? { number, name } : NO_START;
  }

  /** In force at once, on disk soon. */
  note(nodeId: string, incarnation: string, { number, name }: Start): void {
    const known = this.newest(nodeId, incarnation);
    if (known.number === number && known.name === name) return;
    this.#known.delete(nodeId);
    this.#known.set(nodeId, [incarnation, number, name]);
    if (this.#known.size > PEERS_MAX) this.#known.delete(this.#known.keys().next().value!);
    this.#isDirty = true;
    this.#writing ??= this.#write();
  }

  /** Resolves when everything noted is on disk. */
  async close(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    try {
      while (this.#isDirty) {
        this.#isDirty = false;
        await writeDurably(this.#where, encode(this.#known));
      }
    } catch (error) {
      const fault = new StorageFault("data directory", `writing ${this.#where}`, error);
      this.#onFault("the starts of the other members could not be written", fault);
    }
    this.#writing = undefined;
  }
}

function encode(known: ReadonlyMap<string, Known>): string {
  const lines = `${HEADER}${JSON.stringify(Object.fromEntries(known))}\n`;
  return `${lines}${checksumOf(lines)}\n`;
}

function decode(content: string): Map<string, Known> {
  const [, lines = "", json = "", checksum] = PATTERN.exec(content) ?? [];
  if (checksum !== checksumOf(lines)) return new Map();
  return new Map(Object.entries(JSON.parse(json) as Record<string, Known>));
}

function checksumOf(lines: string): string {
  return crc32(lines).toString(16).padStart(8, "0");
}
