/**
 * Asks nodes who the members are, when there is reason to believe that somebody knows better.
 *
 * Bounded, because strangers give the reasons: the same address is asked once in a while, few at
 * the same time, and what is too much is not asked. Whoever has a reason will have it again.
 */
import { setMaxListeners } from "node:events";
import { type DialOptions, dialClient } from "./dial.ts";
import type { PeerAnswer } from "./formation.ts";
import { greet } from "./greet.ts";
import { INQUIRIES_MAX, INQUIRY_ADDRESSES_MAX, INQUIRY_INTERVAL_MS } from "./limits.ts";
import { isHostPort } from "./peers.ts";
import type { Announcement } from "./raft-service.ts";

export interface InquiryOptions {
  /** What to say of this node now. */
  readonly announcement: () => Announcement;
  readonly dial: DialOptions;
  readonly onAnswer: (address: string, answer: PeerAnswer) => void;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

export class Inquiry {
  readonly #options: InquiryOptions;
  readonly #over = new AbortController();
  /** When each address was asked last, the oldest first. */
  readonly #askedMs = new Map<string, number>();
  #underWay = 0;

  constructor(options: InquiryOptions) {
    this.#options = options;
    setMaxListeners(INQUIRIES_MAX, this.#over.signal);
  }

  /** Greets whatever listens at these addresses; one that does not answer is not mentioned. */
  ask(addresses: Iterable<string>): void {
    for (const address of addresses) {
      if (this.#over.signal.aborted || this.#underWay >= INQUIRIES_MAX) return;
      if (this.#isDue(address)) void this.#greet(address);
    }
  }

  close(): void {
    this.#over.abort();
  }

  #isDue(address: string): boolean {
    const now = this.#options.now?.() ?? performance.now();
    const last = this.#askedMs.get(address);
    if (last !== undefined && now - last < INQUIRY_INTERVAL_MS) return false;
    if (!isHostPort(address)) return false;
    this.#askedMs.delete(address);
    this.#askedMs.set(address, now);
    if (this.#askedMs.size > INQUIRY_ADDRESSES_MAX) {
      this.#askedMs.delete(this.#askedMs.keys().next().value!);
    }
    return true;
  }

  async #greet(address: string): Promise<void> {
    const { announcement, dial, onAnswer } = this.#options;
    this.#underWay++;
    const client = dialClient(address, dial);
    const { signal } = this.#over;
    const answer = await greet(client, announcement(), signal).catch(() => undefined);
    client.close();
    this.#underWay--;
    if (answer !== undefined && !signal.aborted) onAnswer(address, answer);
  }
}
