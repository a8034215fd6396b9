/**
 * Snapshots on their way in, each as one call on a connection of its own, opened when the first
 * chunk is asked for and closed with the iteration, however that ends.
 *
 * The library takes from the connection only what fits into a small buffer of chunks, and then lets
 * HTTP/2 hold the sender back, so that who takes slowly is sent to slowly. Nothing is handed out
 * before the sender's Welcome was judged, nor a chunk that fails its checksum.
 */
import { crc32 } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import type { NodeId } from "task-queue-raft";
import type { Member } from "../ports.ts";
import { CodecError } from "./bytes.ts";
import { type DialOptions, dialClient, troubleOf } from "./dial.ts";
import { type Hello, judgeWelcome, type Party, type VersionRange } from "./handshake.ts";
import {
  HANDSHAKE_TIMEOUT_MS,
  SNAPSHOT_CHANNEL_OPTIONS,
  SNAPSHOT_CHUNK_BYTES_MAX,
} from "./limits.ts";
import { welcomeOf } from "./link.ts";
import { encodeHello, HELLO_KEY, RAFT_SERVICE, type SnapshotChunk } from "./raft-service.ts";

export interface FetchOptions {
  readonly self: Party;
  readonly versions: VersionRange;
  readonly dial: DialOptions;
  readonly idleMs: number;
}

/** A member, where it listens, and what to say to it. */
export interface Source {
  readonly member: Member;
  readonly address: string;
  readonly hello: Hello;
}

/** All that are under way, so that they can be ended. */
export class SnapshotFetches {
  readonly #options: FetchOptions;
  readonly #underWay = new Map<AbortController, Member>();

  constructor(options: FetchOptions) {
    this.#options = options;
  }

  /** `find` is asked when the iteration begins; undefined: that one cannot be reached. */
  open(
    from: NodeId,
    request: Uint8Array,
    find: () => Source | undefined,
  ): AsyncIterable<Uint8Array> {
    return {
      [Symbol.asyncIterator]: () => {
        const over = new AbortController();
        const chunks = this.#run(from, request, find, over);
        return {
          next: () => chunks.next(),
          // A generator alone would wait for the chunk that is under way.
          return: async () => {
            over.abort(new Error("nobody wants more"));
            await chunks.return();
            return { done: true, value: undefined };
          },
        };
      },
    };
  }

  /** Ends those from all but these members, as they are now. */
  keepOnly(members: readonly Member[]): void {
    for (const [over, { id, incarnation }] of this.#underWay) {
      const member = members.find((candidate) => candidate.id === id);
      if (member?.incarnation === incarnation) continue;
      over.abort(new Error(`${id} is no member any more`));
    }
  }

  close(): void {
    const reason = new Error(`${this.#options.self.nodeId} is closing`);
    for (const over of this.#underWay.keys()) over.abort(reason);
  }

  async *#run(
    from: NodeId,
    request: Uint8Array,
    find: () => Source | undefined,
    over: AbortController,
  ): AsyncGenerator<Uint8Array, void> {
    const source = find();
    if (source === undefined) throw new Error(`${from} is no member that can be reached`);
    this.#underWay.set(over, source.member);
    try {
      yield* receive(this.#options, source, request, over.signal);
    } catch (cause) {
      throw new Error(`${from} sends no snapshot: ${troubleOf(cause)}`, { cause });
    } finally {
      this.#underWay.delete(over);
    }
  }
}

type Call = grpc.ClientReadableStream<SnapshotChunk>;

/** The data of one chunk after another. */
async function* receive(
  options: FetchOptions,
  source: Source,
  request: Uint8Array,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const client = dialClient(
    source.address,
    options.dial,
    source.member.id,
    SNAPSHOT_CHANNEL_OPTIONS,
  );
  const call = open(client, source.hello, request);
  const handshake = new Handshake(call, options, source.member);
  const abort = () => call.destroy(signal.reason);
  try {
    signal.throwIfAborted();
    signal.addEventListener("abort", abort, { once: true });
    const chunks = call[Symbol.asyncIterator]() as AsyncIterator<SnapshotChunk>;
    for (;;) {
      handshake.expectMore();
      const { done, value } = await chunks.next();
      handshake.rest();
      if (done === true) return;
      yield verified(value, handshake);
    }
  } finally {
    handshake.rest();
    signal.removeEventListener("abort", abort);
    // In a turn of its own, for the reason that `Link` gives.
    setImmediate(() => {
      call.cancel();
      client.close();
    });
  }
}

/** What is expected of the other end next, and until when; the call fails if it does not come. */
class Handshake {
  readonly #call: Call;
  readonly #idleMs: number;
  #welcomed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(call: Call, { self, versions, idleMs }: FetchOptions, member: Member) {
    this.#call = call;
    this.#idleMs = idleMs;
    call.on("metadata", (metadata: grpc.Metadata) => {
      const welcome = welcomeOf(metadata);
      // A refusal has metadata too, and its reason follows with the status.
      if (welcome === undefined) return;
      const judgement = judgeWelcome(welcome, self, versions, member);
      if (!judgement.ok) return void call.destroy(new Error(judgement.reason));
      this.#welcomed = true;
      this.expectMore();
    });
  }

  get welcomed(): boolean {
    return this.#welcomed;
  }

  expectMore(): void {
    this.rest();
    const [what, ms] = this.#welcomed ? ["chunk", this.#idleMs] : ["welcome", HANDSHAKE_TIMEOUT_MS];
    const late = new Error(`no ${what} within ${ms} ms`);
    this.#timer = setTimeout(() => this.#call.destroy(late), Number(ms));
  }

  /** Nothing is expected while the reader does not ask. */
  rest(): void {
    clearTimeout(this.#timer);
  }
}

function open(client: grpc.Client, hello: Hello, request: Uint8Array): Call {
  const metadata = new grpc.Metadata();
  metadata.set(HELLO_KEY, encodeHello(hello));
  const { path, requestSerialize, responseDeserialize } = RAFT_SERVICE.snapshot;
  const call = client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    { request },
    metadata,
  );
  // The iteration tells of every error; a listener must exist all the same, also after it.
  call.on("error", () => {});
  // Chunks that nobody has taken yet need no connection any more.
  call.on("status", () => setImmediate(() => client.close()));
  return call;
}

function verified({ data, crc }: SnapshotChunk, { welcomed }: Handshake): Uint8Array {
  if (!welcomed) throw new CodecError("a chunk without a welcome");
  if (data.length > SNAPSHOT_CHUNK_BYTES_MAX) {
    throw new CodecError(`a chunk of ${data.length} bytes, above ${SNAPSHOT_CHUNK_BYTES_MAX}`);
  }
  if (crc32(data) !== crc) throw new CodecError("a chunk of the snapshot fails its CRC-32");
  return data;
}
