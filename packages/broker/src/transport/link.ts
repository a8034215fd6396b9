/**
 * One outbound connection to one member, with its streams: dialled, judged, used, lost, and dialled
 * again, for ever.
 *
 * A connection lives and dies as a whole: when one of its streams ends, all do. Each attempt has a
 * channel of its own, so that no wait of the grpc library stands behind ours: after a partition
 * heals, the next attempt starts with a fresh SYN. Nothing is sent before the peer's Welcome was
 * judged good; what is sent while there is no stream is dropped.
 */
import * as grpc from "@grpc/grpc-js";
import type { Member } from "../ports.ts";
import { Backoff } from "./backoff.ts";
import { type DialOptions, dialClient, isRefusal, plainDetails } from "./dial.ts";
import {
  type Hello,
  judgeWelcome,
  type Party,
  type VersionRange,
  type Welcome,
} from "./handshake.ts";
import { FRAME_BYTES, HANDSHAKE_TIMEOUT_MS, OUTBOX_BYTES_MAX } from "./limits.ts";
import { Outbox } from "./outbox.ts";
import {
  decodeWelcome,
  encodeHello,
  HELLO_KEY,
  RAFT_SERVICE,
  type StreamKind,
  WELCOME_KEY,
} from "./raft-service.ts";

export interface LinkOptions {
  readonly self: Party;
  /** What to say of this node now. */
  readonly hello: () => Hello;
  readonly versions: VersionRange;
  readonly member: Member;
  /** `host:port` of buses, tried in turn. */
  readonly addresses: readonly string[];
  readonly kinds: readonly StreamKind[];
  readonly dial: DialOptions;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly report: LinkReport;
}

export interface LinkReport {
  /** All streams are open. */
  onUp(address: string): void;
  /** The connection is gone or could not be made; `refused` if a person must change something. */
  onDown(address: string, reason: string, refused: boolean): void;
}

/** One attempt: everything that ends together. */
interface Attempt {
  readonly client: grpc.Client;
  readonly address: string;
  readonly calls: grpc.ClientWritableStream<readonly Uint8Array[]>[];
  readonly outboxes: Map<StreamKind, Outbox>;
  readonly timer: NodeJS.Timeout;
  /** Of the bus protocol, as the peer has chosen it; the same for all streams. */
  version: number;
}

export class Link {
  readonly #options: LinkOptions;
  #attempt: Attempt | undefined;
  #retry: NodeJS.Timeout | undefined;
  readonly #backoff: Backoff;
  #nextAddress = 0;
  #closed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random);
    this.#dial();
  }

  /** All streams are open. */
  get up(): boolean {
    return this.#attempt?.outboxes.size === this.#options.kinds.length;
  }

  /** Of the bus protocol, in which messages must be while it is up. */
  get version(): number {
    return this.#attempt?.version ?? this.#options.versions.min;
  }

  /** Where the peer was reached, or will be tried next. */
  get address(): string {
    const { addresses } = this.#options;
    return this.#attempt?.address ?? addresses[this.#nextAddress % addresses.length]!;
  }

  /** Bytes that wait for a stream of this kind. */
  waitingBytes(kind: StreamKind): number {
    return this.#attempt?.outboxes.get(kind)?.bytes ?? 0;
  }

  /** Sends, or drops: `down` without an open stream, `full` when too much waits for it already. */
  send(kind: StreamKind, message: Uint8Array): "sent" | "down" | "full" {
    const outbox = this.#attempt?.outboxes.get(kind);
    if (outbox === undefined) return "down";
    return outbox.offer(message) ? "sent" : "full";
  }

  /** There is reason to believe that the peer can be reached now: do not wait any longer. */
  nudge(): void {
    if (this.#retry === undefined) return;
    this.#backoff.reset();
    this.#dial();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#tearDown();
  }

  #dial(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const { addresses, dial, kinds, member } = this.#options;
    const address = addresses[this.#nextAddress % addresses.length]!;
    const attempt: Attempt = {
      client: dialClient(address, dial, member.id),
      address,
      calls: [],
      outboxes: new Map(),
      timer: setTimeout(() => {
        this.#fail(attempt, `no welcome within ${HANDSHAKE_TIMEOUT_MS} ms`, false);
      }, HANDSHAKE_TIMEOUT_MS),
      version: this.#options.versions.min,
    };
    this.#attempt = attempt;
    for (const kind of kinds) attempt.calls.push(this.#openStream(attempt, kind));
  }

  #openStream(attempt: Attempt, kind: StreamKind): Attempt["calls"][number] {
    const metadata = new grpc.Metadata();
    metadata.set(HELLO_KEY, encodeHello(this.#options.hello()));
    const method = RAFT_SERVICE[kind];
    const call = attempt.client.makeClientStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      metadata,
      (error: grpc.ServiceError | null) => {
        const refused = error !== null && isRefusal(error.code);
        this.#fail(attempt, plainDetails(error?.details ?? "the peer closed the stream"), refused);
      },
    );
    // The callback tells of every end; a listener must exist all the same.
    call.on("error", () => {});
    call.on("metadata", (answer: grpc.Metadata) => this.#welcomed(attempt, kind, call, answer));
    return call;
  }

  #welcomed(
    attempt: Attempt,
    kind: StreamKind,
    call: Attempt["calls"][number],
    answer: grpc.Metadata,
  ): void {
    if (attempt !== this.#attempt) return;
    const welcome = welcomeOf(answer);
    // A refusal has metadata too, and its reason follows with the status.
    if (welcome === undefined) return;
    const { self, versions, member, kinds, report } = this.#options;
    const judgement = judgeWelcome(welcome, self, versions, member);
    if (!judgement.ok) {
      this.#fail(attempt, judgement.reason, true);
      return;
    }
    const write = (parts: readonly Uint8Array[], written: () => void) => {
      call.write(parts, written);
    };
    attempt.version = judgement.version;
    attempt.outboxes.set(kind, new Outbox(write, OUTBOX_BYTES_MAX[kind], FRAME_BYTES));
    if (attempt.outboxes.size < kinds.length) return;
    clearTimeout(attempt.timer);
    this.#backoff.reset();
    report.onUp(attempt.address);
  }

  #fail(attempt: Attempt, reason: string, refused: boolean): void {
    if (attempt !== this.#attempt) return;
    this.#tearDown();
    if (this.#closed) return;
    this.#nextAddress++;
    this.#retry = setTimeout(() => this.#dial(), this.#backoff.pauseMs(refused));
    this.#options.report.onDown(attempt.address, reason, refused);
  }

  #tearDown(): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    this.#attempt = undefined;
    clearTimeout(attempt.timer);
    for (const outbox of attempt.outboxes.values()) outbox.close();
    // In a turn of its own: when this is reached from the end of one stream, the session is still
    // busy with the bytes that ended it. A stream with bytes of ours to send that is closed right
    // then can make Node's http2 write empty frames for ever, which stops the process until its
    // memory is gone.
    setImmediate(() => {
      for (const call of attempt.calls) call.cancel();
      attempt.client.close();
    });
  }
}

/** The Welcome in a call's response metadata, if there is one that can be read. */
export function welcomeOf(metadata: grpc.Metadata): Welcome | undefined {
  const [bytes] = metadata.get(WELCOME_KEY);
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    return decodeWelcome(bytes);
  } catch {
    return undefined;
  }
}
