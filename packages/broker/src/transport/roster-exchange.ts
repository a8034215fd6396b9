/**
 * How members with rosters of different age come to agree: whoever has reason to believe that
 * another one knows better greets it, and learns the members from the answer. The reasons are a
 * stream that was refused, on either side of it, and a greeting that names a newer revision.
 */
import { Throttle } from "../observe/throttle.ts";
import type { AddressBook } from "./address-book.ts";
import type { Greeter } from "./bus-server.ts";
import type { DialOptions } from "./dial.ts";
import { announce, type PeerAnswer, type Seeker } from "./formation.ts";
import { memberGreeter } from "./greeter.ts";
import { Inquiry } from "./inquiry.ts";
import type { Logger } from "./logger.ts";
import { busOf, type PeerAddress } from "./peers.ts";
import type { Announcement } from "./raft-service.ts";

export interface RosterExchangeOptions {
  readonly self: Seeker;
  readonly book: AddressBook;
  /** As configured: hints where members may be found. */
  readonly peers: readonly PeerAddress[];
  readonly dial: DialOptions;
  readonly log: Logger;
  /** The book has changed. */
  readonly onNews: () => void;
}

export class RosterExchange {
  readonly #options: RosterExchangeOptions;
  readonly #throttle = new Throttle();
  readonly #inquiry: Inquiry;
  /** Answers the greetings of others. */
  readonly greeter: Greeter;

  constructor(options: RosterExchangeOptions) {
    const { self, book, dial } = options;
    this.#options = options;
    this.#inquiry = new Inquiry({
      announcement: () => announce(self, [], book.formation),
      dial,
      onAnswer: (address, answer) => this.#answered(address, answer),
    });
    this.greeter = memberGreeter(
      self,
      () => book.formation,
      (from) => this.#greeted(from),
    );
    this.#inquiry.ask(this.#unowned());
  }

  /** A stream to this address was refused. */
  refusedAt(address: string): void {
    this.#inquiry.ask([address]);
  }

  /** Somebody was refused who knows a newer roster. */
  outdated(): void {
    const known = this.#options.book.others.map((member) => member.bus);
    this.#inquiry.ask(new Set([...known, ...this.#unowned()]));
  }

  close(): void {
    this.#inquiry.close();
  }

  /** Configured addresses of nobody that the roster lists: news, or a mistake. */
  #unowned(): readonly string[] {
    const { self, book, peers } = this.#options;
    const owned = new Set(book.roster.members.map((member) => member.bus));
    owned.add(self.member.bus);
    return peers.map(busOf).filter((address) => !owned.has(address));
  }

  /** A greeting only claims something; the answer to a question of one's own is worth more. */
  #greeted({ clusterId, revision, member }: Announcement): void {
    const { book } = this.#options;
    if (clusterId !== book.clusterId || revision <= book.roster.revision) return;
    if (member !== null) this.#inquiry.ask([member.bus]);
  }

  #answered(address: string, { from, formation }: PeerAnswer): void {
    const { self, book, log, onNews } = this.#options;
    if (formation !== undefined && book.learn(formation)) {
      const { revision, members } = book.roster;
      const ids = members.map(({ id }) => id);
      const words = `${self.member.id} learned from ${from.member.id} who the members are now`;
      log.info({ revision, members: ids }, `${words}: ${ids.join(", ")}`);
      onNews();
    }
    const { id } = from.member;
    if (book.roster.members.some((member) => member.id === id)) return;
    if (!this.#unowned().includes(address) || !this.#throttle.allows(address)) return;
    log.warn(
      { address, peer: id },
      `raft.peers lists ${address}, where ${id} answers, not a member of cluster ` +
        `${book.clusterId}: correct raft.peers, or add it with tq-admin members add`,
    );
  }
}
