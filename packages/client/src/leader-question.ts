/**
 * Asks the broker at the other end whether it knows a leader, which it answers at once and by
 * itself. A write is best not sent to one that knows none when the answer could not come in time:
 * it would lie there beyond the deadline, and nobody could say what became of it.
 */
import type { Message } from "task-queue-protocol";
import type { Connection, Link } from "./connection/index.ts";

const BODY = new TextEncoder().encode("{}");
const text = new TextDecoder();
/** How often those who wait ask again. */
export const ASK_MS = 250;
/** How long a "no" counts, whoever asks. Less than `ASK_MS`, for timers are early. */
const KEPT_MS = 200;
/** Beyond what the last answer took, the next one may take this much longer. */
const ANSWER_SLACK_MS = 500;

interface Question {
  readonly connection: Connection;
  readonly isKnown: Promise<boolean>;
}

interface No {
  readonly connection: Connection;
  /** When it was asked. */
  readonly at: number;
}

export class LeaderQuestion {
  readonly #link: Link;
  /** Told of each answer that names none, as of any refusal for want of a leader. */
  readonly #onOutcome: (code: string) => void;
  #asking: Question | undefined;
  #no: No | undefined;

  constructor(link: Link, onOutcome: (code: string) => void) {
    this.#link = link;
    this.#onOutcome = onOutcome;
  }

  /** False: there is none, or no broker that could tell. One that may not say is believed in. */
  isKnown(): Promise<boolean> {
    const { connection } = this.#link;
    if (connection === undefined) return Promise.resolve(false);
    if (this.#saidNo(connection)) return Promise.resolve(false);
    if (this.#asking?.connection !== connection) {
      this.#asking = { connection, isKnown: this.#ask(connection) };
    }
    return this.#asking.isKnown;
  }

  /** A "yes" is not kept: who asks was told of no leader since. */
  #saidNo(connection: Connection): boolean {
    const no = this.#no;
    return no?.connection === connection && performance.now() - no.at < KEPT_MS;
  }

  async #ask(connection: Connection): Promise<boolean> {
    const at = performance.now();
    try {
      const answer = await answerOf(connection);
      if (answer?.kind !== "answer" || !namesNone(answer.body)) return answer !== undefined;
      this.#no = { connection, at };
      this.#onOutcome("no_leader");
      return false;
    } finally {
      if (this.#asking?.connection === connection) this.#asking = undefined;
    }
  }
}

/** undefined: the connection has ended before. */
function answerOf(connection: Connection): Promise<Message | undefined> {
  return new Promise((resolve) => {
    connection.request({ kind: "call", verb: "cluster", minIndex: 0, body: BODY }, resolve);
  });
}

function namesNone(body: Uint8Array): boolean {
  try {
    return JSON.parse(text.decode(body)).leader_id === null;
  } catch {
    return false;
  }
}

/** Would a write that was refused after `tookMs` be answered again within `leftMs`? */
export function isAnsweredWithin(leftMs: number, tookMs: number): boolean {
  return leftMs >= tookMs + ANSWER_SLACK_MS;
}
