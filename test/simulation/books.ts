/**
 * Who lets whom in. Each node has a book, the newest roster that its bus knows; two nodes talk only
 * if each has the other in its book under its present incarnation. One that was away while members
 * changed may have an outdated book: whoever is refused asks around, and takes over a newer roster
 * if it stands in it itself. Consensus is not told.
 */
import type { NodeId } from "task-queue-raft";
import type { Roster } from "../../packages/broker/src/replica/index.ts";

export interface Reader {
  readonly id: NodeId;
  readonly incarnation: string;
  /** undefined: belongs to no cluster. */
  readonly book: Roster | undefined;
  /** How often this incarnation has started. */
  readonly boots: number;
  /** The newest start of each incarnation that was let in here. */
  readonly knownStarts: Map<string, number>;
  adoptBook(book: Roster): void;
}

/** `lenient`: one that is in no book any more is let in nevertheless, if it is no impostor. */
export function isWelcome(one: Reader, other: Reader, lenient: boolean): boolean {
  if (isOutdatedStart(one, other) || isOutdatedStart(other, one)) return false;
  return lists(one.book, other, lenient) && lists(other.book, one, lenient);
}

/** `host` has let in a later start of `guest`: the disk of that one was rolled back. */
export function isOutdatedStart(guest: Reader, host: Reader): boolean {
  return guest.boots < (host.knownStarts.get(guest.incarnation) ?? 0);
}

/** Durable before anything is taken from it. */
export function noteStart(guest: Reader, host: Reader): void {
  host.knownStarts.set(guest.incarnation, guest.boots);
}

export function lists(book: Roster | undefined, node: Reader, lenient: boolean): boolean {
  if (book === undefined) return false;
  const known = book.members.find(({ id }) => id === node.id);
  return known === undefined ? lenient : known.incarnation === node.incarnation;
}

/** The one with the older book takes over the newer one, if it is in it; returns who did. */
export function meet(one: Reader, other: Reader): Reader | undefined {
  if (one.book === undefined || other.book === undefined) return undefined;
  if (one.book.revision === other.book.revision) return undefined;
  const [behind, ahead] = one.book.revision < other.book.revision ? [one, other] : [other, one];
  if (!lists(ahead.book, behind, false)) return undefined;
  behind.adoptBook(ahead.book!);
  return behind;
}
