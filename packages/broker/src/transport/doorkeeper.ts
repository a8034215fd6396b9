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

export interface DoorkeeperOptions {
  readonly self: Party;
  readonly versions: VersionRange;
  readonly book: AddressBook;
  readonly log: Logger;
  /** Whether the member's control stream is open. */
  readonly connected: (peer: NodeId) => boolean;
  /** Somebody knows a newer roster than this node. */
  readonly onOutdated: () => void;
}

export type Admission =
  | { readonly ok: true; readonly hello: Hello; readonly welcome: grpc.Metadata }
  | { readonly ok: false; readonly code: grpc.status; readonly details: string };

export class Doorkeeper {
  readonly #options: DoorkeeperOptions;
  readonly #throttle = new Throttle();
  /** Of each incarnation that was let in, the newest start. */
  readonly #bootMax = new Map<string, number>();

  constructor(options: DoorkeeperOptions) {
    this.#options = options;
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
    const copy = this.#olderStart(hello);
    if (copy !== undefined) return this.refuse(from, grpc.status.FAILED_PRECONDITION, copy);
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
   * A running member does not start again, so that an earlier start beside it is a second process
   * on a copy of its data. While the newer one is not connected, an older start is let in with a
   * warning: the data directory was rolled back, and what to do then is not for the bus to decide.
   */
  #olderStart(hello: Hello): string | undefined {
    const key = `${hello.nodeId} ${hello.incarnation}`;
    const known = this.#bootMax.get(key) ?? 0;
    this.#bootMax.set(key, Math.max(known, hello.boot));
    if (hello.boot >= known) return undefined;
    const words = `start ${hello.boot} of ${hello.nodeId} after start ${known} was seen`;
    if (this.#options.connected(hello.nodeId)) {
      return `${words} and is connected: is a copy of its data directory running?`;
    }
    this.#bootMax.set(key, hello.boot);
    this.#options.log.warn(
      { peer: hello.nodeId, boot: hello.boot, known },
      `${words}: its data directory is a copy, or was rolled back`,
    );
    return undefined;
  }
}

function helloOf(metadata: grpc.Metadata): Hello | undefined {
  const [bytes] = metadata.get(HELLO_KEY);
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    return decodeHello(bytes);
  } catch {
    return undefined;
  }
}
