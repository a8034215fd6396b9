/**
 * The identity file of a simulated node, as bytes, read and written by the code that ships: two
 * slots with two copies each. A save is lost, made, or torn; pages go bad; the file is copied.
 */
import type { HardState } from "task-queue-raft";
import type { Identity } from "../../packages/broker/src/ports.ts";
import {
  encodeSlot,
  FILE_BYTES,
  type IdentityVersion,
  PAGE_BYTES,
  readSlots,
  slotOffset,
} from "../../packages/broker/src/storage/identity-slots.ts";
import { demand } from "./violation.ts";

const PAGES = FILE_BYTES / PAGE_BYTES;
/** A page is torn within so many bytes at twice the share: what is behind them is zeros. */
const TORN_BYTES = 600;

export class IdentityFile {
  #bytes: Buffer;
  #version: IdentityVersion;
  /** The number that the file system has given this file. */
  #inode: string;

  private constructor(bytes: Buffer, inode: string) {
    this.#bytes = bytes;
    this.#inode = inode;
    this.#version = newestIn(bytes);
  }

  static create(nodeId: string, incarnation: string, inode: string): IdentityFile {
    const hardState = { term: 0, vote: undefined };
    const identity = { nodeId, incarnation, formation: undefined, founded: true, boots: 0 };
    const bytes = Buffer.alloc(FILE_BYTES);
    for (const sequence of [0, 1]) {
      const version = { sequence, inode, identity: { ...identity, hardState } };
      bytes.set(encodeSlot(version), slotOffset(sequence));
    }
    return new IdentityFile(bytes, inode);
  }

  get hardState(): HardState {
    return this.#version.identity.hardState;
  }

  /** How often a process has started on this disk. */
  get boots(): number {
    return this.#version.identity.boots;
  }

  /** The file is not the one it was written as. */
  get isCopy(): boolean {
    return this.#version.inode !== this.#inode;
  }

  save(change: Partial<Identity>): void {
    const version = this.#next(change);
    this.#bytes.set(encodeSlot(version), slotOffset(version.sequence));
    this.#version = version;
  }

  /**
   * The power went while the slot was written. `share` below a half: within the first copy, so that
   * the save is lost; above: within the second, so that it is made.
   */
  tear(change: Partial<Identity>, share: number): void {
    const version = this.#next(change);
    const within = Math.floor((share % 0.5) * TORN_BYTES);
    const written = share < 0.5 ? within : PAGE_BYTES + within;
    this.#bytes.set(encodeSlot(version).subarray(0, written), slotOffset(version.sequence));
  }

  /**
   * One of the four pages goes bad: the other copy of its slot must do. False: one is bad already,
   * and both copies of a slot together are more than it survives.
   */
  spoilPage(share: number): boolean {
    if (readSlots(this.#bytes).badPages > 0) return false;
    const at = Math.min(PAGES - 1, Math.floor(share * PAGES)) * PAGE_BYTES;
    this.#bytes.writeUInt8(this.#bytes.readUInt8(at + 8) ^ 0x10, at + 8);
    return true;
  }

  /** What the next process finds; neither a torn slot nor a bad page brings back anything older. */
  reopen(): void {
    const before = this.#version;
    this.#version = newestIn(this.#bytes);
    demand(this.#version.sequence >= before.sequence, "vote stability", () => {
      return `the identity goes back from ${before.sequence} to ${this.#version.sequence}`;
    });
  }

  /** As it is now, under another inode number or the same one. */
  copy(inode: string | undefined): IdentityFile {
    return new IdentityFile(Buffer.from(this.#bytes), inode ?? this.#inode);
  }

  #next(change: Partial<Identity>): IdentityVersion {
    const { sequence, identity, inode } = this.#version;
    return { sequence: sequence + 1, inode, identity: { ...identity, ...change } };
  }
}

function newestIn(bytes: Buffer): IdentityVersion {
  const { newest } = readSlots(bytes);
  demand(newest !== undefined, "vote stability", () => "no page of the identity is valid");
  return newest;
}
