/**
 * Asks the others, one after the other and again and again, until they have taken this node back.
 * Nothing but a refusal or an abort ends it early. It says in the log for whom it waits and why,
 * and after a while what a person can do.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT, StartupError } from "../exit-status.ts";
import type { Formation, Member } from "../ports.ts";
import { unreachable } from "../queue/index.ts";
import { lists } from "../transport/handshake.ts";
import type { CallRejoin, RejoinAnswer, RejoinQuestion } from "../transport/rejoin-call.ts";
import type { Rejoin } from "./rejoin-file.ts";

export interface AskOptions {
  readonly rejoin: Rejoin;
  /** The new incarnation. */
  readonly member: Member;
  /** `host:port` of buses; others are learned on the way. */
  readonly buses: readonly string[];
  /** A member has said that the former incarnation is listed. Resolves when that is on disk. */
  readonly onConfirmed: (wasVoter: boolean) => Promise<void>;
  readonly log: AskLogger;
  readonly signal: AbortSignal;
  readonly call: CallRejoin;
  /** For tests. */
  readonly roundMs?: number;
  readonly now?: () => number;
}

export interface AskLogger {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** Pause between rounds of questions. */
const ROUND_MS = 1_000;
/** The first line that says for whom it waits, and how often after that. */
const FIRST_LINE_MS = 5_000;
const LINE_MS = 30_000;
/** Waiting so long may need a person. */
const ADVICE_AFTER_MS = 60_000;
/** Addresses that are asked in a round: many more than a cluster has members. */
const BUSES_MAX = 64;

/** The members as they list the new incarnation. Rejects with a `StartupError` when refused. */
export function askToRejoin(options: AskOptions): Promise<Formation> {
  return new Asking(options).run();
}

class Asking {
  readonly #options: AskOptions;
  readonly #buses: Set<string>;
  /** What each of them has said last. */
  readonly #said = new Map<string, string>();
  readonly #startedMs: number;
  #nextLineMs: number;
  #confirmed: boolean;

  constructor(options: AskOptions) {
    this.#options = options;
    this.#buses = new Set(options.buses);
    this.#startedMs = this.#now();
    this.#nextLineMs = this.#startedMs + FIRST_LINE_MS;
    this.#confirmed = options.rejoin.confirmed;
  }

  async run(): Promise<Formation> {
    const { signal, roundMs = ROUND_MS } = this.#options;
    for (;;) {
      // Those that are learned in this round are asked in it.
      for (const bus of this.#buses) {
        signal.throwIfAborted();
        const formation = await this.#ask(bus);
        if (formation !== undefined) return formation;
        this.#remind();
      }
      signal.throwIfAborted();
      await sleep(roundMs, undefined, { signal }).catch(() => {});
    }
  }

  async #ask(bus: string): Promise<Formation | undefined> {
    const { call, signal, onConfirmed } = this.#options;
    const answer = await call(bus, this.#question(), signal);
    this.#said.set(bus, wordsOf(answer));
    switch (answer.verdict) {
      case "DONE":
        return this.#check(bus, answer.formation);
      case "CONFIRM":
        if (this.#confirmed) return undefined;
        await onConfirmed(answer.wasVoter);
        this.#confirmed = true;
        return this.#ask(bus);
      case "ASK":
        if (answer.leaderBus !== "" && this.#buses.size < BUSES_MAX) {
          this.#buses.add(answer.leaderBus);
        }
        return undefined;
      case "REFUSED":
        throw new StartupError(EXIT.removed, answer.reason);
      case "WAIT":
        return undefined;
      default:
        return unreachable(answer);
    }
  }

  /** What comes is written into the identity: it must be what was asked for. */
  #check(bus: string, formation: Formation): Formation | undefined {
    const { member, rejoin } = this.#options;
    if (formation.clusterId === rejoin.clusterId && lists(formation, member)) return formation;
    this.#said.set(bus, "it answers with members that do not list this node");
    return undefined;
  }

  #question(): RejoinQuestion {
    const { rejoin, member } = this.#options;
    return {
      clusterId: rejoin.clusterId,
      formerIncarnation: rejoin.former,
      member,
      wantsVote: false,
      confirmed: this.#confirmed,
    };
  }

  #remind(): void {
    const now = this.#now();
    if (now < this.#nextLineMs) return;
    this.#nextLineMs = now + LINE_MS;
    const { rejoin, log } = this.#options;
    const each = [...this.#said].map(([bus, said]) => `${bus}: ${said}`).join("; ");
    const what = `${rejoin.nodeId} waits for the others to take it back`;
    const waits = `${what} (${rejoin.reason}): ${each}`;
    const isLong = now >= this.#startedMs + ADVICE_AFTER_MS;
    if (isLong) log.warn({}, `${waits}. ${adviceFor(rejoin)}`);
    else log.info({}, waits);
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now();
  }
}

function wordsOf(answer: RejoinAnswer): string {
  switch (answer.verdict) {
    case "DONE":
    case "CONFIRM":
      return "it has agreed";
    case "ASK":
    case "REFUSED":
    case "WAIT":
      return answer.reason;
    default:
      return unreachable(answer);
  }
}

function adviceFor({ isWhole, confirmed }: Rejoin): string {
  const bring = "It needs a majority of the members without it: bring the others up";
  if (!isWhole || confirmed) return `${bring}, or restore a backup on new directories`;
  return (
    `${bring}. If the data directories of all members were moved or restored on purpose, all of ` +
    "them after a clean stop, start each once with --accept-restored-data"
  );
}
