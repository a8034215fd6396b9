/**
 * Who had a connection cut may open another one, but not at once: what the calls have cost that its
 * address took back is owed by that address, and is paid by waiting. Its connections that are open
 * go on; new ones are let in one after the other, so that whoever shares the address is not locked
 * out, but stands in line.
 */
import type { Socket } from "node:net";
import { groupOf } from "../operations/address-group.ts";
import { hasEnded } from "./library.ts";
import { DEBT_CREDIT_MS, DEBT_MS_MAX, DEBT_SHARE, DEBTORS_MAX, NEXT_IN_LINE_MS } from "./limits.ts";

interface Debtor {
  /** When all is paid for. */
  paidAtMs: number;
  /** In the order in which they came. */
  readonly waiting: Map<Socket, () => void>;
  timer: NodeJS.Timeout | undefined;
}

const CREDIT_MS = DEBT_CREDIT_MS / DEBT_SHARE;

export class Line {
  readonly #debtors = new Map<string, Debtor>();

  /** What an address has made the event loop do in vain, in milliseconds. */
  charge(address: string, costMs: number): void {
    const [group, now] = [groupOf(address), performance.now()];
    const debtor = this.#debtors.get(group) ?? {
      paidAtMs: 0,
      waiting: new Map(),
      timer: undefined,
    };
    const paidAtMs = Math.max(debtor.paidAtMs, now) + costMs / DEBT_SHARE;
    debtor.paidAtMs = Math.min(paidAtMs, now + CREDIT_MS + DEBT_MS_MAX);
    // The newest from now on.
    this.#debtors.delete(group);
    this.#debtors.set(group, debtor);
    if (this.#debtors.size > DEBTORS_MAX) this.#forgetOldest();
  }

  /** Calls `letIn` now, or when it is its turn. */
  enter(socket: Socket, letIn: () => void): void {
    const debtor = this.#debtors.get(groupOf(socket.remoteAddress ?? ""));
    if (debtor === undefined || (debtor.timer === undefined && waitMs(debtor) === 0)) {
      letIn();
      return;
    }
    debtor.waiting.set(socket, letIn);
    socket.once("close", () => debtor.waiting.delete(socket));
    debtor.timer ??= setTimeout(() => this.#next(debtor), Math.ceil(waitMs(debtor)));
  }

  close(): void {
    for (const { timer, waiting } of this.#debtors.values()) {
      clearTimeout(timer);
      for (const socket of waiting.keys()) socket.destroy();
    }
  }

  /** The next one has to wait long enough that it is seen what this one does. */
  #next(debtor: Debtor): void {
    debtor.timer = undefined;
    leaveOutEnded(debtor);
    const [first] = debtor.waiting;
    if (first === undefined) return;
    const owedMs = waitMs(debtor);
    const [socket, letIn] = first;
    if (owedMs === 0) debtor.waiting.delete(socket);
    debtor.timer = setTimeout(() => this.#next(debtor), Math.max(NEXT_IN_LINE_MS, owedMs));
    if (owedMs === 0) letIn();
  }

  #forgetOldest(): void {
    for (const [group, { waiting, timer }] of this.#debtors) {
      if (waiting.size > 0 || timer !== undefined) continue;
      this.#debtors.delete(group);
      return;
    }
  }
}

/** Up to the first one that is still there: those who have gone cost nobody his time. */
function leaveOutEnded({ waiting }: Debtor): void {
  for (const socket of waiting.keys()) {
    if (!hasEnded(socket)) return;
    waiting.delete(socket);
    socket.destroy();
  }
}

function waitMs({ paidAtMs }: Debtor): number {
  return Math.max(0, paidAtMs - performance.now() - CREDIT_MS);
}
