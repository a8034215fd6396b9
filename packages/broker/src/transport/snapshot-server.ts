/**
 * Snapshots on their way out, each on a connection that its receiver opened for it.
 *
 * A chunk is taken from the source only after the stream has let go of the one before, so that what
 * is in memory does not depend on how slowly the receiver reads. The source learns through its
 * signal that nobody wants more. A receiver that takes nothing for `SNAPSHOT_IDLE_MS` is cut off.
 */
import { crc32 } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import type { NodeId } from "task-queue-raft";
import type { BusListener, ClusterMember } from "../ports.ts";
import type { AcceptSnapshot, SnapshotCall } from "./bus-server.ts";
import { troubleOf } from "./dial.ts";
import type { Doorkeeper } from "./doorkeeper.ts";
import {
  SNAPSHOT_CHUNK_BYTES_MAX,
  SNAPSHOT_LINGER_MS,
  SNAPSHOT_REQUEST_BYTES_MAX,
  SNAPSHOTS_SENT_MAX,
} from "./limits.ts";
import type { Logger } from "./logger.ts";

export interface SnapshotServerOptions {
  readonly self: { readonly nodeId: NodeId };
  readonly doorkeeper: Doorkeeper;
  readonly listener: Pick<BusListener, "onSnapshotRequest">;
  readonly log: Logger;
  readonly idleMs: number;
}

/** Why a stream ends other than by its last chunk. */
class Ending extends Error {
  readonly code: grpc.status;

  constructor(code: grpc.status, details: string) {
    super(details);
    this.code = code;
  }
}

interface Sending {
  readonly peer: NodeId;
  readonly incarnation: string;
  readonly call: SnapshotCall;
  readonly cut: () => void;
  /** Aborts with an `Ending`, or without one when the receiver has gone. */
  readonly over: AbortController;
}

export class SnapshotServer {
  readonly #options: SnapshotServerOptions;
  readonly #sending = new Set<Sending>();

  constructor(options: SnapshotServerOptions) {
    this.#options = options;
  }

  /** Judges a call; from then on it gets chunks until the source ends or the receiver goes. */
  readonly accept: AcceptSnapshot = (call, cut) => {
    const { doorkeeper } = this.#options;
    const from = call.getPeer();
    const admission = doorkeeper.admit(call.metadata, from);
    if (!admission.ok) return void call.emit("error", admission);
    const { nodeId: peer, incarnation } = admission.hello;
    const trouble = this.#roomFor(peer, call.request.request);
    if (trouble !== undefined) {
      return void call.emit("error", doorkeeper.refuse(from, trouble.code, trouble.message));
    }
    call.sendMetadata(admission.welcome);
    const sending: Sending = { peer, incarnation, call, cut, over: new AbortController() };
    this.#sending.add(sending);
    // Said at every end, whoever brought it about.
    call.once("cancelled", () => sending.over.abort(new Error(`${peer} has gone`)));
    void this.#send(sending);
  };

  /** Streams to all but these members, as they are now, end at once. */
  keepOnly(members: readonly ClusterMember[]): void {
    for (const sending of this.#sending) {
      const { peer, incarnation, over } = sending;
      const member = members.find((candidate) => candidate.id === peer);
      if (member?.incarnation === incarnation) continue;
      over.abort(new Ending(grpc.status.FAILED_PRECONDITION, `${peer} is no member any more`));
    }
  }

  close(): void {
    const reason = `${this.#options.self.nodeId} is closing`;
    for (const { over } of this.#sending) over.abort(new Ending(grpc.status.UNAVAILABLE, reason));
  }

  /** A receiver that asks again has lost its stream: the new one takes the place of the old. */
  #roomFor(peer: NodeId, request: Uint8Array): Ending | undefined {
    if (request.length > SNAPSHOT_REQUEST_BYTES_MAX) {
      const words = `a request of ${request.length} bytes, at most ${SNAPSHOT_REQUEST_BYTES_MAX}`;
      return new Ending(grpc.status.INVALID_ARGUMENT, `${words} are allowed`);
    }
    let others = 0;
    for (const sending of this.#sending) {
      if (sending.peer !== peer) others++;
      else sending.over.abort(new Ending(grpc.status.ABORTED, "replaced by a newer stream"));
    }
    if (others < SNAPSHOTS_SENT_MAX) return undefined;
    const words = `${this.#options.self.nodeId} sends ${others} snapshots already`;
    return new Ending(grpc.status.RESOURCE_EXHAUSTED, `${words}: ask another member, or later`);
  }

  async #send(sending: Sending): Promise<void> {
    const { peer, call, over } = sending;
    try {
      await this.#pump(sending);
      if (!over.signal.aborted) call.end();
    } catch (error) {
      if (call.cancelled) return;
      const code = error instanceof Ending ? error.code : grpc.status.ABORTED;
      const details = troubleOf(error);
      this.#options.log.warn({ peer, reason: details }, `snapshot for ${peer}: ${details}`);
      this.#finish(sending, code, details);
    } finally {
      this.#sending.delete(sending);
    }
  }

  /** Takes chunk by chunk. Throws what the source threw, or why the stream had to end. */
  async #pump({ peer, call, over }: Sending): Promise<void> {
    const { listener, idleMs } = this.#options;
    const { signal } = over;
    const source = listener.onSnapshotRequest(peer, call.request.request, signal);
    const chunks = source[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await orAborted(chunks.next(), signal);
        if (next.done === true) return;
        const stalled = new Ending(grpc.status.ABORTED, `nothing was read for ${idleMs} ms`);
        const timer = setTimeout(() => over.abort(stalled), idleMs);
        await orAborted(write(call, next.value), signal).finally(() => clearTimeout(timer));
      }
    } finally {
      // A source that is still at work on the next chunk hears of it when that is done.
      chunks.return?.(undefined).catch(() => {});
    }
  }

  /** The status stands behind what was written: who does not read that will not read it either. */
  #finish({ call, cut }: Sending, code: grpc.status, details: string): void {
    // Not within the turn that noticed: that may be the session's own.
    setImmediate(() => {
      if (call.cancelled) return;
      const timer = setTimeout(cut, SNAPSHOT_LINGER_MS);
      call.once("cancelled", () => clearTimeout(timer));
      call.emit("error", { code, details });
    });
  }
}

/** Resolves when the stream has let go of the chunk. */
async function write(call: SnapshotCall, data: Uint8Array): Promise<void> {
  if (data.length > SNAPSHOT_CHUNK_BYTES_MAX) {
    throw new RangeError(`a chunk of ${data.length} bytes, above ${SNAPSHOT_CHUNK_BYTES_MAX}`);
  }
  await new Promise<void>((resolve) => {
    call.write({ data, crc: crc32(data) }, () => resolve());
  });
}

/** The promise, unless the signal aborts first: then rejects with its reason. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
