/**
 * Asks the broker at the other end whether it knows a leader, which it answers at once and by
 * itself. A write is best not sent to one that knows none when the answer could not come in time:
 * it would lie there beyond the deadline, and nobody could say what became of it.
 */
import type { Message } from "task-queue-protocol";
import type { Link } from "./connection/index.ts";

const BODY = new TextEncoder().encode("{}");
const text = new TextDecoder();
/** How often it is asked again, whoever wants to know. */
export const ASK_MS = 250;
/** Beyond what the last answer took, the next one may take this much longer. */
const ANSWER_SLACK_MS = 500;

export class LeaderQuestion {
  readonly #link: Link;
  /** Told of each answer that names none, as of any refusal for want of a leader. */
  readonly #onOutcome: (code: string) => void;
  #asking: Promise<boolean> | undefined;
  #answered: { readonly at: number; readonly isKnown: boolean } | undefined;

  constructor(link: Link, onOutcome: (code: string) => void) {
    this.#link = link;
    this.#onOutcome = onOutcome;
  }

  /** False: there is none, or no broker that could tell. One that may not say is believed in. */
  isKnown(): Promise<boolean> {
    if (this.#link.connection === undefined) return Promise.resolve(false);
    const last = this.#answered;
    if (last !== undefined && performance.now() - last.at < ASK_MS) {
      return Promise.resolve(last.isKnown);
    }
    this.#asking ??= this.#ask().then((isKnown) => {
      this.#answered = { at: performance.now(), isKnown };
      this.#asking = undefined;
      return isKnown;
    });
    return this.#asking;
  }

  async #ask(): Promise<boolean> {
    const { connection } = this.#link;
    if (connection === undefined) return false;
    const answer = await new Promise<Message | undefined>((resolve) => {
      connection.request({ kind: "call", verb: "cluster", minIndex: 0, body: BODY }, resolve);
    });
    if (answer?.kind !== "answer" || !namesNone(answer.body)) return answer !== undefined;
    this.#onOutcome("no_leader");
    return false;
  }
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
