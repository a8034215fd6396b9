/**
 * Calls: a verb with JSON, answered with JSON; sent again after a lost connection or a passing
 * refusal until the caller's deadline. Every verb is idempotent, so a resend never does anything
 * twice.
 */
import { setMaxListeners } from "node:events";
import {
  type Calls,
  type CallVerb,
  type Message,
  ProtocolError,
  TqError,
} from "task-queue-protocol";
import { type Connection, type Link, toError } from "./connection/index.ts";
import { delay } from "./delay.ts";
import { ASK_MS, isAnsweredWithin, type LeaderQuestion } from "./leader-question.ts";
import { mayResend, outOfTime, resendDelayMs, unanswered } from "./resend.ts";
import type { SeenIndex } from "./seen-index.ts";

export interface CallOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * false: one try, on the connection there is. Every refusal is thrown, and a connection that ends
   * first is `outcome_unknown`.
   */
  readonly resend?: boolean | undefined;
}

/** One call as it is sent, however often. */
interface Outgoing {
  readonly verb: CallVerb;
  readonly body: Uint8Array;
  /** It need not be up to date, and must still show what this client has done. */
  readonly stale: boolean;
}

/** They change nothing: without an answer there is nothing to be in doubt about. */
const READS: ReadonlySet<CallVerb> = new Set<CallVerb>([
  "audit",
  "cluster",
  "error_groups",
  "events",
  "get",
  "graph",
  "job",
  "jobs",
  "keys",
  "list",
  "logs",
  "queue",
  "queues",
  "snapshot",
  "stats",
  "wait",
  "workers",
]);

const utf8 = new TextEncoder();
const text = new TextDecoder();

export class Caller {
  readonly #link: Link;
  readonly #seen: SeenIndex;
  readonly #leader: LeaderQuestion;
  readonly #onOutcome: (code: string) => void;
  /** Calls that wait for a connection. */
  readonly #waiting = new Set<() => void>();
  readonly #stop = new AbortController();

  constructor(
    link: Link,
    seen: SeenIndex,
    leader: LeaderQuestion,
    onOutcome: (code: string) => void,
  ) {
    this.#link = link;
    this.#seen = seen;
    this.#leader = leader;
    this.#onOutcome = onOutcome;
    // One listener for each open call, of which there is no small number.
    setMaxListeners(0, this.#stop.signal);
  }

  /** Something about the link changed: those who wait look again. */
  wake(): void {
    for (const resolve of this.#waiting) resolve();
  }

  /** Gives up everything that is open. */
  failAll(error: Error): void {
    this.#stop.abort(error);
  }

  async call<V extends CallVerb>(
    verb: V,
    params: Calls[V]["params"],
    options: CallOptions,
  ): Promise<Calls[V]["answer"]> {
    const body = utf8.encode(JSON.stringify(params));
    const stale = "consistency" in params && params.consistency === "stale";
    const joined = join(this.#stop.signal, options.signal);
    try {
      const answer = await this.#untilAnswered({ verb, body, stale }, options, joined.signal);
      return JSON.parse(text.decode(answer)) as Calls[V]["answer"];
    } finally {
      joined.release();
    }
  }

  async #untilAnswered(
    call: Outgoing,
    { deadlineMs, resend = true }: CallOptions,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { verb } = call;
    const isRead = READS.has(verb);
    const until = performance.now() + deadlineMs;
    let doubtful = false;
    let last: Error | undefined;
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted();
      const left = until - performance.now();
      if (left <= 0) throw outOfTime(verb, deadlineMs, doubtful, last);
      const connection = await this.#connection(left, signal);
      if (connection === undefined) continue;
      const sentAt = performance.now();
      const answer = await this.#once(connection, call, until, signal);
      if (answer?.kind === "answer") {
        this.#onOutcome("ok");
        this.#seen.note(connection.welcome.clusterId, answer.index);
        return answer.body;
      }
      if (answer === undefined) {
        signal.throwIfAborted();
        if (!resend) throw unanswered(verb);
        doubtful = !isRead;
        continue;
      }
      const refusal = this.#refused(answer);
      if (!resend) throw refusal;
      doubtful ||= refusal.code === "outcome_unknown" && !isRead;
      last = refusal;
      const tookMs = performance.now() - sentAt;
      const waitMs = resendDelayMs(tries, refusal.code);
      const untilEnd = until - performance.now();
      await delay(Math.min(waitMs, untilEnd), signal);
      // A timer may be early, and a try that cannot be answered in time only raises doubts.
      if (waitMs >= untilEnd && !signal.aborted) throw outOfTime(verb, deadlineMs, doubtful, last);
      const isCertain = !isRead && !doubtful && refusal.code === "no_leader";
      if (isCertain && !isAnsweredWithin(until - performance.now(), tookMs)) {
        await this.#untilLed(until, signal);
      }
    }
  }

  /** Until the broker at the other end knows a leader, or the time is over. */
  async #untilLed(until: number, signal: AbortSignal): Promise<void> {
    let isKnown = false;
    while (!isKnown && !signal.aborted && performance.now() < until) {
      const wait = delay(Math.min(ASK_MS, until - performance.now()), signal);
      isKnown = await Promise.race([this.#leader.isKnown(), wait.then(() => false)]);
      if (!isKnown) await wait;
    }
  }

  /** Throws the refusals that are final. */
  #refused(answer: Message): TqError {
    if (answer.kind !== "error") throw new ProtocolError(`a ${answer.kind} answers a call`);
    this.#onOutcome(answer.code);
    const error = toError(answer.code, answer.message, answer.field);
    if (!mayResend(answer.code)) throw error;
    return error;
  }

  async #connection(ms: number, signal: AbortSignal): Promise<Connection | undefined> {
    const { connection, refusal } = this.#link;
    if (connection !== undefined) return connection;
    if (refusal !== undefined) throw refusal;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done, { once: true });
      this.#waiting.add(done);
      if (signal.aborted) done();
    });
    return undefined;
  }

  /** One try: the answer, or undefined when the connection or the time ended first. */
  #once(
    connection: Connection,
    { verb, body, stale }: Outgoing,
    until: number,
    signal: AbortSignal,
  ): Promise<Message | undefined> {
    return new Promise((resolve, reject) => {
      const done = (answer: Message | undefined): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
        resolve(answer);
      };
      const abort = (): void => done(undefined);
      const timer = setTimeout(abort, until - performance.now());
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) {
        abort();
        return;
      }
      try {
        const minIndex = stale ? this.#seen.of(connection.welcome.clusterId) : 0;
        connection.request({ kind: "call", verb, minIndex, body }, done);
      } catch (error) {
        abort();
        reject(error instanceof TqError ? error : new TqError("internal", String(error)));
      }
    });
  }
}

/**
 * One signal for both. Not `AbortSignal.any`: what that makes lives as long as its sources, and the
 * client's own source lives as long as the client.
 */
function join(
  own: AbortSignal,
  theirs: AbortSignal | undefined,
): { readonly signal: AbortSignal; release(): void } {
  if (theirs === undefined) return { signal: own, release: () => {} };
  const both = new AbortController();
  const abort = (): void => both.abort(theirs.aborted ? theirs.reason : own.reason);
  const sources = [own, theirs];
  for (const source of sources) source.addEventListener("abort", abort, { once: true });
  if (own.aborted || theirs.aborted) abort();
  return {
    signal: both.signal,
    release: () => {
      for (const source of sources) source.removeEventListener("abort", abort);
    },
  };
}
