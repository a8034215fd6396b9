/**
 * Registrations over the worker protocol. A connection that turns out not to lead, or that ends,
 * is reported once and then forgotten: what was in flight on it is the core's to send again.
 */

import {
  type ApiKey,
  type Connection,
  type DialOptions,
  dial,
  formatAddress,
  parseAddress,
  type TlsOptions,
} from "task-queue-client/connection";
import {
  BATCH_MAX,
  type ItemError,
  type Message,
  ProtocolError,
  REPORT_VERSION,
  type ReportItem,
  type ReportOk,
  type SentMessage,
  TqError,
} from "task-queue-protocol";
import type { Clock } from "./clock.ts";
import {
  type Dialer,
  type Link,
  type LinkListener,
  type Refusal,
  type Registration,
  RegistrationError,
  type Report,
} from "./core/link.ts";
import { VERSION } from "./version.ts";

/** A broker answers a registration within its own deadline; past this it is not worth waiting. */
const REGISTER_MS = 10_000;
/** Room in a frame for what is not a result: ids, tokens, lengths, error texts. */
const ITEM_OVERHEAD_BYTES = 64;

/** Plain text without `tls`; `openSocket` is for whoever has sockets of another kind. */
export function tcpDialer(
  clock: Clock,
  apiKey: ApiKey,
  tls?: TlsOptions,
  openSocket?: DialOptions["openSocket"],
): Dialer {
  const names = { role: "worker", name: "tq-worker", version: VERSION } as const;
  const options = { ...names, apiKey, tls, openSocket };
  return {
    async dial(address, registration, listener, signal) {
      const connection = await dial(parseAddress(address), options, signal);
      return register(connection, registration, listener, clock, signal);
    },
  };
}

function register(
  connection: Connection,
  registration: Registration,
  listener: LinkListener,
  clock: Clock,
  signal: AbortSignal,
): Promise<Link> {
  return new Promise((resolve, reject) => {
    const link = new TcpLink(connection, registration, listener, clock);
    const fail = (error: RegistrationError): void => {
      signal.removeEventListener("abort", giveUp);
      timer.cancel();
      connection.close();
      reject(error);
    };
    const giveUp = (): void => fail(new RegistrationError("given up"));
    const timer = clock.after(REGISTER_MS, () => {
      fail(new RegistrationError(`no answer to the registration within ${REGISTER_MS} ms`));
    });
    signal.addEventListener("abort", giveUp, { once: true });
    link.register((answer) => {
      if (answer?.kind !== "registered") return fail(refusalOf(answer));
      signal.removeEventListener("abort", giveUp);
      timer.cancel();
      resolve(link);
    });
  });
}

function refusalOf(answer: Message | undefined): RegistrationError {
  switch (answer?.kind) {
    case undefined:
      return new RegistrationError("the connection ended before the registration was answered");
    case "notLeader": {
      const hint = answer.address === "" ? undefined : answer.address;
      return new RegistrationError("this broker does not lead, and knows no leader", hint);
    }
    case "error": {
      const refused = answer.code === "permission_denied";
      return new RegistrationError(`${answer.code}: ${answer.message}`, undefined, refused);
    }
    default:
      return new RegistrationError(`the registration was answered by a ${answer?.kind}`);
  }
}

class TcpLink implements Link {
  readonly address: string;
  readonly resultBytesMax: number;
  leaseMs = 0;
  heartbeatMs = 0;
  lost: readonly number[] = [];
  registeredAt = 0;
  readonly #connection: Connection;
  readonly #registration: Registration;
  readonly #listener: LinkListener;
  readonly #clock: Clock;
  #window: number;
  #beats: { readonly requestId: number; readonly sentAt: number }[] = [];
  #closed = false;

  constructor(
    connection: Connection,
    registration: Registration,
    listener: LinkListener,
    clock: Clock,
  ) {
    this.address = formatAddress(connection.address);
    this.resultBytesMax = connection.welcome.maxPayloadBytes;
    this.#connection = connection;
    this.#registration = registration;
    this.#listener = listener;
    this.#clock = clock;
    this.#window = registration.window;
  }

  register(answered: (answer: Message | undefined) => void): void {
    this.#connection.start({
      onMessage: (message, requestId) => this.#receive(message, requestId),
      onClose: (error) => this.#end(error?.message ?? "closed", undefined),
    });
    this.registeredAt = this.#clock.now();
    this.#connection.request({ kind: "register", ...this.#registration }, (answer) => {
      if (answer?.kind === "registered") {
        this.leaseMs = answer.leaseMs;
        this.heartbeatMs = answer.heartbeatMs;
        this.lost = answer.lost;
      }
      answered(answer);
    });
  }

  beat(): void {
    const sentAt = this.#clock.now();
    const requestId = this.#connection.push({ kind: "heartbeat" });
    this.#beats.push({ requestId, sentAt });
  }

  setWindow(window: number): void {
    if (window === this.#window) return;
    this.#window = window;
    this.#connection.push({ kind: "window", window });
  }

  report(reports: readonly Report[]): void {
    const { maxFrameBytes } = this.#connection.welcome;
    for (const batch of batches(reports, maxFrameBytes)) this.#reportBatch(batch);
  }

  note(items: readonly ReportItem[]): void {
    const { protocolVersion, maxFrameBytes } = this.#connection.welcome;
    if (protocolVersion < REPORT_VERSION) return;
    for (const batch of noteBatches(items, maxFrameBytes)) {
      this.#connection.request({ kind: "report", items: batch }, () => {});
    }
  }

  extend(id: Uint8Array, token: number, forMs: number): Promise<Refusal> {
    return new Promise((resolve, reject) => {
      this.#connection.request({ kind: "extend", items: [{ id, token, forMs }] }, (answer) => {
        if (answer === undefined) return reject(new Error("the connection ended"));
        resolve(refusals(answer, 1)[0]);
      });
    });
  }

  bye(): Promise<void> {
    return new Promise((resolve) => {
      this.#connection.request({ kind: "bye" }, () => resolve());
    });
  }

  close(): void {
    this.#closed = true;
    this.#connection.close();
  }

  #reportBatch(batch: readonly Report[]): void {
    const answer = (all: readonly Refusal[]): void => {
      for (const [i, report] of batch.entries()) this.#listener.answered(report, all[i]);
    };
    try {
      this.#connection.request(messageOf(batch), (reply) => {
        if (reply !== undefined && !this.#closed) answer(refusals(reply, batch.length));
      });
    } catch (error) {
      const refusal = unsendable(error);
      this.#clock.soon(() => answer(batch.map(() => refusal)));
    }
  }

  #receive(message: Message, requestId: number): void {
    if (this.#closed) return;
    switch (message.kind) {
      case "deliver":
        this.#listener.delivered(message.tasks);
        break;
      case "leaseLost":
        for (const each of message.leases) this.#listener.leaseLost(each.token, each.reason);
        break;
      case "heartbeatAck":
        this.#acknowledged(requestId);
        break;
      case "sessionEnded":
        this.#listener.sessionEnded();
        this.#end("the broker has ended the session", undefined);
        break;
      case "notLeader":
        this.#end("the broker leads no longer", message.address);
        break;
      case "terminate":
        this.#end(`the broker asks to leave: ${message.reason}`, message.address);
        break;
      default:
        this.#end(`the broker sent a ${message.kind} unasked`, undefined);
    }
  }

  /** Acknowledgements are cumulative. */
  #acknowledged(requestId: number): void {
    const index = this.#beats.findIndex((beat) => beat.requestId === requestId);
    const beat = this.#beats[index];
    if (beat === undefined) return;
    this.#beats = this.#beats.slice(index + 1);
    this.#listener.renewed(beat.sentAt);
  }

  #end(why: string, hint: string | undefined): void {
    if (this.#closed) return;
    this.close();
    this.#listener.closed(why, hint === "" ? undefined : hint);
  }
}

/** Reports of one kind to a frame, as many as it holds. */
function* batches(reports: readonly Report[], maxFrameBytes: number): Generator<Report[]> {
  for (const kind of ["complete", "fail", "release"] as const) {
    let batch: Report[] = [];
    let bytes = ITEM_OVERHEAD_BYTES;
    for (const report of reports) {
      if (report.kind !== kind) continue;
      const size = sizeOf(report);
      // By itself, since it may be more than the broker can read or the frame can hold.
      if (report.kind === "complete" && report.children !== undefined) {
        yield [report];
        continue;
      }
      if (batch.length === BATCH_MAX || (batch.length > 0 && bytes + size > maxFrameBytes)) {
        yield batch;
        batch = [];
        bytes = ITEM_OVERHEAD_BYTES;
      }
      batch.push(report);
      bytes += size;
    }
    if (batch.length > 0) yield batch;
  }
}

/** A run has at most a few hundred KiB to say, which fits into any frame with others beside it. */
function* noteBatches(
  items: readonly ReportItem[],
  maxFrameBytes: number,
): Generator<readonly ReportItem[]> {
  let batch: ReportItem[] = [];
  let bytes = ITEM_OVERHEAD_BYTES;
  for (const item of items) {
    const size = sizeOfNotes(item);
    if (batch.length === BATCH_MAX || (batch.length > 0 && bytes + size > maxFrameBytes)) {
      yield batch;
      batch = [];
      bytes = ITEM_OVERHEAD_BYTES;
    }
    batch.push(item);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

function sizeOfNotes({ progress, lines }: ReportItem): number {
  const texts = lines.reduce((sum, { text }) => sum + 3 + 3 * text.length, 3 * progress.length);
  return ITEM_OVERHEAD_BYTES + texts;
}

/** An upper bound: a character has at most three bytes. */
function sizeOf(report: Report): number {
  switch (report.kind) {
    case "complete":
      return ITEM_OVERHEAD_BYTES + report.result.length;
    case "fail":
      return ITEM_OVERHEAD_BYTES + 3 * (report.message.length + report.stack.length);
    case "release":
      return ITEM_OVERHEAD_BYTES;
  }
}

/** `batches` has put reports of one kind together. */
function messageOf(batch: readonly Report[]): SentMessage {
  return { kind: batch[0]!.kind, items: batch } as SentMessage;
}

function refusals(answer: Message, count: number): readonly Refusal[] {
  if (answer.kind === "reported") {
    return answer.results.map((result: ReportOk | ItemError) => (result.ok ? undefined : result));
  }
  const whole: Refusal =
    answer.kind === "error"
      ? answer
      : { code: "internal", message: `answered by a ${answer.kind}`, retryable: true };
  return new Array<Refusal>(count).fill(whole);
}

function unsendable(error: unknown): Refusal {
  if (!(error instanceof TqError || error instanceof ProtocolError)) throw error;
  const code = error instanceof TqError ? error.code : "invalid_request";
  return { code, message: error.message, retryable: false };
}
