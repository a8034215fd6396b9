/**
 * Who this node is, its term and its vote, in one small file of fixed size. A save is one write of
 * one slot and one fdatasync: it is on the path of every election. Saves happen one at a time in
 * the order of the calls; the first error stops the store.
 */
import assert from "node:assert/strict";
import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import type { Identity, IdentityStore } from "../ports.ts";
import { createDurably } from "./durable-file.ts";
import { FailStop } from "./fail-stop.ts";
import {
  encodeSlot,
  FILE_BYTES,
  type IdentityVersion,
  readSlots,
  slotOffset,
} from "./identity-slots.ts";
import { DataDirError, StorageDamage, StorageFault } from "./storage-error.ts";

/** Reads the identity without opening it for writing; undefined if there is no file. */
export async function peekIdentity(path: string): Promise<Identity | undefined> {
  return (await readVersion(path))?.newest.identity;
}

/**
 * Writes the file of a new node. False if there is one already: nothing is changed then. The inode
 * is not known before the file exists, so the first open fills it in.
 */
export async function createIdentity(path: string, identity: Identity): Promise<boolean> {
  const content = Buffer.alloc(FILE_BYTES);
  for (const sequence of [0, 1]) {
    const slot = encodeSlot({ sequence, identity, inode: UNKNOWN_INODE });
    content.set(slot, slotOffset(sequence));
  }
  return await createDurably(path, content);
}

/** Throws `StorageDamage` if the file is missing, of the wrong size, or no page is valid. */
export async function openIdentityStore(path: string): Promise<FileIdentityStore> {
  const read = await readVersion(path);
  if (read === undefined) {
    throw new StorageDamage("identity", { what: "the file is missing", where: path });
  }
  const inode = String((await stat(path, { bigint: true })).ino);
  const file = await open(path, "r+").catch((error) => {
    throw new DataDirError(`${path} cannot be written: ${error.message}`, { cause: error });
  });
  return new FileIdentityStore(file, inode, read.newest, read.badPages);
}

const UNKNOWN_INODE = "";

export class FileIdentityStore implements IdentityStore {
  readonly #file: FileHandle;
  readonly #inode: string;
  readonly #stop = new FailStop("identity");
  #version: IdentityVersion;
  #tail: Promise<void> = Promise.resolve();

  /**
   * The file is not the one it was written as: the data directory has been copied or restored, so
   * the vote and the log in it may be older than what this node has promised.
   */
  readonly copied: boolean;

  /** Pages found bad at the open; one or two are survivable and worth a line in the log. */
  readonly badPages: number;

  /** Use `openIdentityStore`. */
  constructor(file: FileHandle, inode: string, version: IdentityVersion, badPages: number) {
    this.#file = file;
    this.#inode = inode;
    this.#version = version;
    this.copied = version.inode !== UNKNOWN_INODE && version.inode !== inode;
    this.badPages = badPages;
  }

  get identity(): Identity {
    return this.#version.identity;
  }

  /** While the file is an unaccepted copy, its saves keep the old inode. */
  save(change: Partial<Identity>): Promise<void> {
    return this.#enqueue(change, false);
  }

  /** Makes a copied directory this node's own: from now on `copied` is false at every open. */
  acceptCopy(): Promise<void> {
    return this.#enqueue({}, true);
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#file.close();
  }

  #enqueue(change: Partial<Identity>, accept: boolean): Promise<void> {
    const saved = this.#tail.then(() => {
      this.#stop.check();
      // A change that is refused has touched nothing: the store goes on.
      const version = this.#next(change, accept);
      const slot = encodeSlot(version);
      return this.#stop.run("save", () => this.#write(slot, version));
    });
    this.#tail = saved.catch(() => undefined);
    return saved;
  }

  #next(change: Partial<Identity>, accept: boolean): IdentityVersion {
    const identity = { ...this.identity, ...change };
    checkHardState(this.identity, identity);
    const own = accept || !this.copied || this.#version.inode === this.#inode;
    return {
      sequence: this.#version.sequence + 1,
      identity,
      inode: own ? this.#inode : this.#version.inode,
    };
  }

  async #write(slot: Buffer, version: IdentityVersion): Promise<void> {
    const { bytesWritten } = await this.#file.write(
      slot,
      0,
      slot.length,
      slotOffset(version.sequence),
    );
    if (bytesWritten !== slot.length) {
      throw new Error(`only ${bytesWritten} of ${slot.length} bytes were written`);
    }
    await this.#file.datasync();
    this.#version = version;
  }
}

/** A term that falls or a second vote in one term would elect two leaders (§3.4): never on disk. */
export function checkHardState(before: Identity, after: Identity): void {
  const { term, vote } = before.hardState;
  assert(after.hardState.term >= term, `term goes back from ${term} to ${after.hardState.term}`);
  const sameVote = vote === undefined || after.hardState.vote === vote;
  assert(after.hardState.term > term || sameVote, `second vote in term ${term}`);
}

interface ReadVersion {
  readonly newest: IdentityVersion;
  readonly badPages: number;
}

async function readVersion(path: string): Promise<ReadVersion | undefined> {
  const file = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") {
      return undefined;
    }
    throw new StorageFault("identity", `reading ${path}`, error);
  });
  if (file === undefined) {
    return undefined;
  }
  if (file.length !== FILE_BYTES) {
    const what = `the file has ${file.length} bytes instead of ${FILE_BYTES}`;
    throw new StorageDamage("identity", { what, where: path });
  }
  const { newest, badPages } = readSlots(file);
  if (newest === undefined) {
    throw new StorageDamage("identity", { what: "no copy of it is whole", where: path });
  }
  return { newest, badPages };
}
