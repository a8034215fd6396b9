/**
 * How many connections may be open, in all and from one address, so that no one address takes the
 * places of all others. Whoever has not said yet who it is gives way: silence must not keep out
 * those who work.
 */
import { TqError } from "task-queue-protocol";
import { groupOf } from "../operations/address-group.ts";

export interface SeatLimits {
  readonly all: number;
  readonly perAddress: number;
}

/** What counts of a connection. */
export interface Seated {
  /** Has it not said yet who it is? */
  readonly isStranger: boolean;
  destroy(): void;
}

/** Refused since the start. */
export interface Refusals {
  /** Since all places were taken. */
  full: number;
  /** Since those of one address were. */
  address: number;
}

export class Seats<T extends Seated> {
  readonly #limits: SeatLimits;
  readonly #all = new Set<T>();
  readonly #groups = new Map<string, Set<T>>();
  readonly refusals: Refusals = { full: 0, address: 0 };

  constructor(limits: SeatLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#all.values();
  }

  /** Makes room for one from there. Otherwise says why there is none. */
  refusal(address: string): TqError | undefined {
    const { all, perAddress } = this.#limits;
    const same = this.#groups.get(groupOf(address));
    if (same !== undefined && same.size >= perAddress && !endStranger(same)) {
      this.refusals.address++;
      const key = "broker.max_connections_per_address";
      return new TqError("overloaded", `${perAddress} connections of ${address} are open (${key})`);
    }
    if (this.#all.size < all || endStranger(this.#all)) return undefined;
    this.refusals.full++;
    return new TqError("overloaded", `${all} connections are open (broker.max_connections)`);
  }

  add(address: string, connection: T): void {
    this.#all.add(connection);
    const group = groupOf(address);
    const same = this.#groups.get(group);
    if (same === undefined) this.#groups.set(group, new Set([connection]));
    else same.add(connection);
  }

  delete(address: string, connection: T): void {
    this.#all.delete(connection);
    const group = groupOf(address);
    const same = this.#groups.get(group);
    same?.delete(connection);
    if (same?.size === 0) this.#groups.delete(group);
  }
}

function endStranger(connections: Iterable<Seated>): boolean {
  for (const connection of connections) {
    if (!connection.isStranger) continue;
    connection.destroy();
    return true;
  }
  return false;
}
