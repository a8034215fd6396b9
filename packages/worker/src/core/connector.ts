/**
 * Finds the leader, and finds it again, for as long as it takes. Addresses are tried in turn from a
 * random start; a broker that knows the leader sends us there at once. Every other wait is drawn at
 * random, so that a thousand workers that lost the same broker do not come back as one.
 */
import type { Clock, Timer } from "../clock.ts";
import type { Logger } from "../logger.ts";
import type { Dialer, Link, LinkListener, Registration } from "./link.ts";
import { RegistrationError } from "./link.ts";

export interface ConnectorOptions {
  /** `host:port`, at least one. */
  readonly addresses: readonly string[];
  readonly dialer: Dialer;
  readonly clock: Clock;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly logger: Logger;
  /** As of now: asked for at each attempt. */
  registration(): Registration;
  readonly listener: Omit<LinkListener, "closed">;
  linked(link: Link): void;
  unlinked(why: string): void;
  /** Nobody could be registered with at `address`. */
  failed(address: string, error: Error): void;
  /** The broker refuses this session. */
  sessionRefused(): void;
}

/** The first wait is drawn between half of this and all of it; it doubles with each failure. */
const WAIT_MS = 200;
const WAIT_MS_MAX = 5_000;
/** Two brokers that point at each other must not make us spin. */
const HINTS_IN_A_ROW_MAX = 3;
/** One line in the log for this many failed attempts, after the first. */
const LOG_EVERY = 10;

export class Connector {
  readonly #options: ConnectorOptions;
  readonly #abort = new AbortController();
  #stopped = false;
  #dialling: Promise<Link | undefined> = Promise.resolve(undefined);
  #position: number;
  #hint: string | undefined;
  #hints = 0;
  #failures = 0;
  #attempt = 0;
  #link: Link | undefined;
  #timer: Timer | undefined;
  /** Attempts that failed and links that broke, but for those that led to another broker. */
  errors = 0;

  constructor(options: ConnectorOptions) {
    this.#options = options;
    this.#position = Math.floor(options.random() * options.addresses.length);
  }

  start(): void {
    this.#dial();
  }

  /** Gives up the present link, which is no longer trusted, and looks for another broker. */
  redial(why: string): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#lost(why, undefined);
    link.close();
  }

  /**
   * Ends the search; the present link stays as it is. Resolves with the link that was being made at
   * this moment: a registration may have been heard, and its owner has to say good-bye.
   */
  stop(): Promise<Link | undefined> {
    this.#stopped = true;
    this.#timer?.cancel();
    return this.#dialling;
  }

  /** Gives up the attempt under way. */
  abort(): void {
    this.#abort.abort();
  }

  #dial(): void {
    const { dialer, listener, registration } = this.#options;
    const address = this.#hint ?? this.#nextOfList();
    const attempt = ++this.#attempt;
    this.#hint = undefined;
    let ended: RegistrationError | undefined;
    const closed = (why: string, hint: string | undefined): void => {
      // A link can end before its promise is heard of.
      ended = new RegistrationError(why, hint);
      if (attempt === this.#attempt) this.#lost(why, hint);
    };
    const current = currentOnly(listener, () => attempt === this.#attempt);
    const { signal } = this.#abort;
    this.#dialling = dialer.dial(address, registration(), { ...current, closed }, signal).then(
      (link) => {
        if (ended !== undefined) return this.#failed(address, ended);
        if (!this.#stopped) this.#won(link);
        return link;
      },
      (error: unknown) => this.#failed(address, error),
    );
  }

  #won(link: Link): void {
    this.#link = link;
    this.#failures = 0;
    this.#hints = 0;
    this.#options.linked(link);
  }

  #lost(why: string, hint: string | undefined): void {
    if (this.#link === undefined) return;
    this.#link = undefined;
    this.#attempt++;
    if (hint === undefined) this.errors++;
    this.#options.unlinked(why);
    this.#again(hint);
  }

  #failed(address: string, error: unknown): undefined {
    if (this.#stopped) return;
    const refusal = error instanceof RegistrationError ? error : undefined;
    if (refusal?.sessionRefused) this.#options.sessionRefused();
    if (refusal?.hint === undefined) {
      const why = error instanceof Error ? error : new Error(String(error));
      if (this.#failures % LOG_EVERY === 0) {
        const fields = { address, failures: this.#failures + 1 };
        this.#options.logger.warn(fields, `not connected: ${why.message}; trying on`);
      }
      this.#failures++;
      this.errors++;
      this.#options.failed(address, why);
    }
    this.#again(refusal?.hint);
  }

  #again(hint: string | undefined): void {
    if (this.#stopped) return;
    const direct = hint !== undefined && this.#hints < HINTS_IN_A_ROW_MAX;
    this.#hints = hint === undefined ? 0 : this.#hints + 1;
    this.#hint = hint;
    if (direct) {
      this.#dial();
      return;
    }
    const rounds = Math.max(this.#failures, this.#hints - HINTS_IN_A_ROW_MAX);
    const limit = Math.min(WAIT_MS * 2 ** Math.min(rounds, 16), WAIT_MS_MAX);
    const waitMs = (limit * (1 + this.#options.random())) / 2;
    this.#timer = this.#options.clock.after(waitMs, () => this.#dial());
  }

  #nextOfList(): string {
    const { addresses } = this.#options;
    const address = addresses[this.#position % addresses.length]!;
    this.#position++;
    return address;
  }
}

type Current = Omit<LinkListener, "closed">;

/** What a link says after it was given up concerns nobody. */
function currentOnly(listener: Current, isCurrent: () => boolean): Current {
  return {
    delivered: (tasks) => {
      if (isCurrent()) listener.delivered(tasks);
    },
    leaseLost: (token, reason) => {
      if (isCurrent()) listener.leaseLost(token, reason);
    },
    renewed: (sentAt) => {
      if (isCurrent()) listener.renewed(sentAt);
    },
    answered: (report, refusal) => {
      if (isCurrent()) listener.answered(report, refusal);
    },
    sessionEnded: () => {
      if (isCurrent()) listener.sessionEnded();
    },
  };
}
