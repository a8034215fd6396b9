/**
 * Whom this node lets in: the one place that judges the Hello of a call, whatever the call is for.
 * It is judged when the call opens; `Inbound` and `SnapshotServer` end what is open when the roster
 * changes.
 */
import * as grpc from "@grpc/grpc-js";
import type { NodeId } from "task-queue-raft";
import { Throttle } from "../observe/throttle.ts";
import type { AddressBook } from "./address-book.ts";
import { type Hello, judgeHello, type Party, type VersionRange } from "./handshake.ts";
import type { Logger } from "./logger.ts";
import { decodeHello, encodeWelcome, HELLO_KEY, WELCOME_KEY } from "./raft-service.ts";

/** One start of a member. */
export interface Start {
  readonly number: number;
  /** Random; empty: it had none. */
  readonly name: string;
}

/** With which start each member was last let in. */
export interface PeerStarts {
  /** Number 0: nothing is known of this incarnation. */
  newest(nodeId: NodeId, incarnation: string): Start;
  note(nodeId: NodeId, incarnation: string, start: Start): void;
}

export const NO_START: Start = { number: 0, name: "" };

export interface DoorkeeperOptions {
  readonly self: Party;
  readonly versions: VersionRange;
  readonly book: AddressBook;
  readonly log: Logger;
  /** Under which start the member's control stream is open; undefined: it is not. */
  readonly connectedStart: (peer: NodeId) => number | undefined;
  /** Somebody knows a newer roster than this node. */
  readonly onOutdated: () => void;
  /** Kept in memory by default, so that a restart forgets them. */
  readonly starts?: PeerStarts;
}

export type Admission =
  | { readonly ok: true; readonly hello: Hello; readonly welcome: grpc.Metadata }
  | { readonly ok: false; readonly code: grpc.status; readonly details: string };

/** How the refusal of an earlier start begins: whoever reads it must not go on as it is. */
const ROLLED_BACK = "rolled back: ";

/** Whether this reason of a refusal says that this node has an older directory than it once had. */
export function saysRolledBack(reason: string): boolean {
  return reason.startsWith(ROLLED_BACK);
}

export class Doorkeeper {
  readonly #options: DoorkeeperOptions;
  readonly #throttle = new Throttle();
  readonly #starts: PeerStarts;

  constructor(options: DoorkeeperOptions) {
    this.#options = options;
    this.#starts = options.starts ?? new RememberedStarts();
  }

  /** Judges a call by its metadata; `from` is its address, for the log. */
  admit(metadata: grpc.Metadata, from: string): Admission {
    const hello = helloOf(metadata);
    if (hello === undefined) {
      const reason = `no readable hello in the metadata (${HELLO_KEY})`;
      return this.refuse(from, grpc.status.INVALID_ARGUMENT, reason);
    }
    const { self, versions, book, onOutdated } = this.#options;
    const judgement = judgeHello(hello, self, versions, book.roster);
    if (!judgement.ok) {
      if (judgement.outdated) onOutdated();
      return this.refuse(from, grpc.status.FAILED_PRECONDITION, judgement.reason);
    }
    const other = this.#otherStart(hello);
    if (other !== undefined) return this.refuse(from, grpc.status.UNAVAILABLE, other);
    const older = this.#olderStart(hello);
    if (older !== undefined) return this.refuse(from, grpc.status.FAILED_PRECONDITION, older);
    const welcome = new grpc.Metadata();
    welcome.set(WELCOME_KEY, encodeWelcome({ ...self, version: judgement.version }));
    return { ok: true, hello, welcome };
  }

  /** A refusal, with a line in the log unless that was just said. */
  refuse(from: string, code: grpc.status, details: string): Admission & { readonly ok: false } {
    const host = from.slice(0, from.lastIndexOf(":"));
    if (this.#throttle.allows(`${host} ${details}`)) {
      const line = `refused a bus stream from ${from}: ${details}`;
      this.#options.log.warn({ from, reason: details }, line);
    }
    return { ok: false, code, details };
  }

  /**
   * A node starts again only when its former process has ended, and that one's streams with it.
   * While they are open, a later start is the clone of a running node: it must not take its place.
   */
  #otherStart({ nodeId, boot }: Hello): string | undefined {
    const connected = this.#options.connectedStart(nodeId);
    if (connected === undefined || boot <= connected) return undefined;
    return `start ${connected} of ${nodeId} is still connected: try again when it has ended`;
  }

  /**
   * Starts are counted and named on disk before anything is said under them. So one that does not
   * know of the newest start that was seen comes from a directory that is older than what its node
   * has promised: it was rolled back, restored, or is a copy. Such a node may have forgotten its
   * vote and acknowledged entries; it is never let in.
   */
  #olderStart({ nodeId, incarnation, boot, starts = [] }: Hello): string | undefined {
    const known = this.#starts.newest(nodeId, incarnation);
    const isNamed = known.name !== "" && boot - known.number < starts.length;
    if (boot >= known.number && (!isNamed || starts.includes(known.name))) {
      this.#starts.note(nodeId, incarnation, { number: boot, name: starts.at(-1) ?? "" });
      return undefined;
    }
    const words = `${ROLLED_BACK}start ${boot} of ${nodeId} after start ${known.number} was seen`;
    return this.#options.connectedStart(nodeId) !== undefined
      ? `${words} and is connected: is a copy of its data directory running?`
      : `${words}: its data directory is an older one than it had`;
  }
}

class RememberedStarts implements PeerStarts {
  readonly #known = new Map<string, Start>();

  newest(nodeId: NodeId, incarnation: string): Start {
    return this.#known.get(`${nodeId} ${incarnation}`) ?? NO_START;
  }

  note(nodeId: NodeId, incarnation: string, start: Start): void {
    this.#known.set(`${nodeId} ${incarnation}`, start);
  }
}

/** Undefined when there is none that can be read. */
export function helloOf(metadata: grpc.Metadata): Hello | undefined {
  const [bytes] = metadata.get(HELLO_KEY);
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    return decodeHello(bytes);
  } catch {
    return undefined;
  }
}
