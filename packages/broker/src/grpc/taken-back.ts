/**
 * Calls that their callers take back. Some are of every client's life, with deadlines and programs
 * that end; who does hardly anything else loses the connection, and pays for it at the next one.
 */
import { constants, type Http2Session } from "node:http2";
import {
  BARE_CALLS_MAX,
  BARE_CALLS_PER_SECOND,
  TAKEN_BACK_MAX,
  TAKEN_BACK_PER_SECOND,
} from "./limits.ts";

/** So many at once, and from then on so many in a second. */
class Bucket {
  readonly #max: number;
  readonly #perSecond: number;
  #count = 0;
  #at = 0;

  constructor(max: number, perSecond: number) {
    this.#max = max;
    this.#perSecond = perSecond;
  }

  /** False: it is too many. */
  add(now: number): boolean {
    const gone = ((now - this.#at) / 1000) * this.#perSecond;
    this.#count = Math.max(0, this.#count - gone) + 1;
    this.#at = now;
    return this.#count <= this.#max;
  }
}

interface Counts {
  readonly all: Bucket;
  readonly bare: Bucket;
  total: number;
  unbegunTotal: number;
}

/** How far it had come: nothing but its headers, waiting for its turn, or begun. */
export type Withdrawn = "bare" | "unbegun" | "begun";

/** What a connection has taken back by the time it is cut. */
export interface TookBack {
  readonly calls: number;
  /** Of them, those that had not had their turn: deadlines that pass on a call at work are none. */
  readonly unbegunCalls: number;
}

export class TakenBack {
  readonly #counts = new WeakMap<Http2Session, Counts>();
  readonly #now: () => number;
  readonly #cut: (session: Http2Session, took: TookBack) => void;

  /** `cut`: told of a connection that was ended. */
  constructor(cut: (session: Http2Session, took: TookBack) => void, now = () => performance.now()) {
    this.#cut = cut;
    this.#now = now;
  }

  /** A call of a connection. */
  add(session: Http2Session | undefined, how: Withdrawn): void {
    // Those of a connection that has closed were lost, not taken back.
    if (session === undefined || session.destroyed) return;
    const counts = this.#countsOf(session);
    counts.total++;
    if (how !== "begun") counts.unbegunTotal++;
    const now = this.#now();
    const isFine = counts.all.add(now) && (how !== "bare" || counts.bare.add(now));
    if (isFine) return;
    this.#cut(session, { calls: counts.total, unbegunCalls: counts.unbegunTotal });
    session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    session.destroy();
  }

  #countsOf(session: Http2Session): Counts {
    const known = this.#counts.get(session);
    if (known !== undefined) return known;
    const counts = {
      all: new Bucket(TAKEN_BACK_MAX, TAKEN_BACK_PER_SECOND),
      bare: new Bucket(BARE_CALLS_MAX, BARE_CALLS_PER_SECOND),
      total: 0,
      unbegunTotal: 0,
    };
    this.#counts.set(session, counts);
    return counts;
  }
}
