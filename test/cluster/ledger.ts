/**
 * What a test has asked of a cluster and what it was told: for each submit whether it was
 * acknowledged, certainly not done, or neither. Whatever contradicts an answer is noted here, and a
 * note is never taken back.
 */
import { randomBytes } from "node:crypto";

/** `keep` is never run by anybody, `work` is. */
export type TaskType = "work" | "keep";

export interface Submission {
  readonly id: string;
  readonly n: number;
  readonly type: TaskType;
  /** `refused`: every answer said that it was not done. `unknown`: at least one said nothing. */
  outcome: "open" | "acknowledged" | "refused" | "unknown";
  /** The entry up to which the node that acknowledged it had applied; 0 if it did not say. */
  appliedIndex: number;
  /** A linearizable read has shown it completed: none that begins later may show less. */
  seenCompleted: boolean;
  /** Tokens under which a worker ran it to the end. */
  readonly runs: string[];
}

export interface Acknowledgement {
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Enough to see what is wrong; a broken cluster would fill the screen. */
const NOTES_SHOWN = 20;

export class Ledger {
  readonly submissions = new Map<string, Submission>();
  /** In the order of the acknowledgements. */
  readonly acknowledged: Submission[] = [];
  /** When each was asked and answered, in the same order. */
  readonly times: Acknowledgement[] = [];
  /** Codes of the errors that submits ended with. */
  readonly refusals = new Map<string, number>();
  /** Reads whose answer could be checked. */
  reads = 0;
  readonly #notes: string[] = [];

  open(type: TaskType): Submission {
    const submission: Submission = {
      id: newTaskId(),
      n: this.submissions.size,
      type,
      outcome: "open",
      appliedIndex: 0,
      seenCompleted: false,
      runs: [],
    };
    this.submissions.set(submission.id, submission);
    return submission;
  }

  acknowledge(submission: Submission, appliedIndex: number, startedAt: number): void {
    submission.outcome = "acknowledged";
    submission.appliedIndex = appliedIndex;
    this.acknowledged.push(submission);
    this.times.push({ startedAt, endedAt: performance.now() });
  }

  refuse(submission: Submission, outcome: "refused" | "unknown", code: string): void {
    submission.outcome = outcome;
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }

  count(outcome: Submission["outcome"]): number {
    let count = 0;
    for (const submission of this.submissions.values()) if (submission.outcome === outcome) count++;
    return count;
  }

  /** Something that must never be, in words. */
  note(text: string): void {
    this.#notes.push(text);
    if (this.#notes.length <= NOTES_SHOWN) console.log(`WRONG: ${text}`);
  }

  get notes(): readonly string[] {
    return this.#notes;
  }

  /** Resolves for the next acknowledgement of a submit that begins from now on. */
  firstSince(startedAt: number): Acknowledgement | undefined {
    const last = this.times.at(-1);
    if (last === undefined || last.endedAt < startedAt) return undefined;
    return this.times.find((each) => each.startedAt > startedAt);
  }
}

/** What every task carries; its number shows that nobody has mixed up two. */
export function payloadOf({ n }: Pick<Submission, "n">): { n: number; text: string } {
  return { n, text: `${n}:`.padEnd(200, "x") };
}

/** A UUIDv7 (RFC 9562, 5.7). */
function newTaskId(): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = 0x70 | ((bytes[6] as number) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] as number) & 0x3f);
  const hex = bytes.toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
