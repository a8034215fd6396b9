/**
 * The last part of the way back: the new incarnation runs as a learner, and asks the leader for its
 * vote until it has it. Whether it has caught up enough for that, the leader knows. Then the file
 * goes, and with it all that is known of the way back.
 */
import type { NodeId } from "task-queue-raft";
import type { ClusterMember, Member } from "../ports.ts";
import type { RejoinAnswer, RejoinQuestion } from "../transport/rejoin-call.ts";
import { type Rejoin, removeRejoin } from "./rejoin-file.ts";

export interface PromotionOptions {
  readonly dataDir: string;
  readonly rejoin: Rejoin;
  /** This node. */
  readonly self: Member;
  /** In force at the applied index of this node. */
  readonly members: () => readonly ClusterMember[];
  readonly leader: () => NodeId | undefined;
  readonly call: (
    bus: string,
    question: RejoinQuestion,
    signal: AbortSignal,
  ) => Promise<RejoinAnswer>;
  readonly log: { info(fields: object, text: string): void };
  /** The file could not be removed. */
  readonly onFault: (what: string, error: unknown) => void;
  /** Wall clock, ms. */
  readonly wallMs: () => number;
  /** For tests. */
  readonly roundMs?: number;
}

/** Between two looks at what this node is by now. */
const ROUND_MS = 1_000;
/** Between two lines of the log that say for what it waits. */
const LINE_ROUNDS = 30;

export class Promotion {
  readonly #options: PromotionOptions;
  readonly #over = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void>;
  #rounds = 0;
  #isDone = false;

  /** Begins at once. */
  constructor(options: PromotionOptions) {
    this.#options = options;
    this.#working = this.#round();
  }

  /** Everything is as it was before the loss, but for the incarnation. */
  get isDone(): boolean {
    return this.#isDone;
  }

  async close(): Promise<void> {
    this.#over.abort();
    clearTimeout(this.#timer);
    await this.#working;
  }

  async #round(): Promise<void> {
    const { roundMs = ROUND_MS, onFault } = this.#options;
    const own = this.#own();
    if (own !== undefined && (own.voter || !this.#options.rejoin.wasVoter)) {
      await this.#end().catch((error) => onFault("the way back cannot be ended", error));
      return;
    }
    await this.#ask();
    if (this.#over.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#working = this.#round();
    }, roundMs);
  }

  /** As the log that has arrived here lists it; at first it tells of the former incarnation. */
  #own(): ClusterMember | undefined {
    const { self, members } = this.#options;
    return members().find(({ id, incarnation }) => {
      return id === self.id && incarnation === self.incarnation;
    });
  }

  async #ask(): Promise<void> {
    const { members, leader, call, self, rejoin } = this.#options;
    const bus = members().find(({ id }) => id === leader())?.bus;
    const question: RejoinQuestion = {
      clusterId: rejoin.clusterId,
      formerIncarnation: rejoin.former,
      member: self,
      wantsVote: rejoin.wasVoter,
      // Whoever is not listed any more was removed by an operator, and is not to come back.
      confirmed: false,
    };
    const answer = bus === undefined ? undefined : await call(bus, question, this.#over.signal);
    if (this.#rounds++ % LINE_ROUNDS !== LINE_ROUNDS - 1) return;
    const why = answer === undefined ? "no leader is known" : wordsOf(answer);
    this.#options.log.info({}, `${self.id} does not vote yet after losing data: ${why}`);
  }

  async #end(): Promise<void> {
    const { dataDir, rejoin, log, wallMs, self } = this.#options;
    await removeRejoin(dataDir);
    this.#isDone = true;
    const seconds = Math.round((wallMs() - rejoin.since) / 1000);
    const what = rejoin.wasVoter ? "votes again" : "is a learner again";
    log.info({ seconds, reason: rejoin.reason }, `recovered in ${seconds} s: ${self.id} ${what}`);
  }
}

function wordsOf(answer: RejoinAnswer): string {
  return "reason" in answer ? answer.reason : "it is about to";
}
