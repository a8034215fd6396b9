/**
 * Whether the members still have the same state: each tells with its heartbeats which effect hash
 * it had after which entry, and who has applied that entry too compares. A difference means that a
 * bug or damage has made two truths, and the fewer who hold one of them must stop.
 *
 * The leader judges first, because it alone hears everybody: if a quorum contradicts it, the state
 * of the leader itself is the wrong one. A follower that differs answers the heartbeat, and stops
 * only when the same leader still says so an election timeout later: a leader that is alone with
 * its truth has stopped by then. Of two voters neither can be outvoted; there the follower stops,
 * which is a guess.
 */
import { type LogIndex, type NodeId, quorumSize, type Term } from "task-queue-raft";
import { EFFECT_HASHES_KEPT } from "./limits.ts";
import type { Divergence } from "./output.ts";

export interface Claim {
  readonly index: LogIndex;
  readonly effectHash: string;
}

/** What another member said: on a follower its leader, on a leader any member. */
export interface Said extends Claim {
  readonly by: NodeId;
  readonly term: Term;
  readonly heardMs: number;
}

/** The newest of what a member said that was not so here. */
interface Difference extends Said {
  /** When it was first found; without an agreement since. */
  readonly sinceMs: number;
}

export class Agreement {
  readonly #electionTimeoutMs: number;
  readonly #voters: () => readonly NodeId[];
  /** The newest claims of our own, each at its index modulo the number that is kept. */
  #own: Claim[] = [];
  #applied: LogIndex;
  /** In one term a node hears its leader, or its members, never both. */
  #term: Term = 0;
  #leads = false;
  /** What was said of entries that are not applied here yet, by member. */
  readonly #pending = new Map<NodeId, Said>();
  readonly #differences = new Map<NodeId, Difference>();
  #found: Difference[] = [];
  #divergences = 0;

  /** `voters`: in force now, this node perhaps among them. */
  constructor(own: Claim, electionTimeoutMs: number, voters: () => readonly NodeId[]) {
    this.#electionTimeoutMs = electionTimeoutMs;
    this.#voters = voters;
    this.#applied = own.index;
    this.#remember(own);
  }

  /** How often a member was found to have come to differ from this leader. */
  get divergences(): number {
    return this.#divergences;
  }

  /** On a leader: who has come to differ from it since the last time. */
  takeFound(): readonly Said[] {
    const found = this.#found;
    if (found.length > 0) this.#found = [];
    return found;
  }

  /** Applied here. Present: this node must stop. */
  applied(own: Claim, now: number): Divergence | undefined {
    this.#remember(own);
    let wrong: Divergence | undefined;
    for (const said of this.#pending.values()) {
      if (said.index > own.index) continue;
      this.#pending.delete(said.by);
      wrong ??= this.#judge(said, now);
    }
    return wrong;
  }

  /** Another state from here on: nothing is known of the entries before it. */
  installed(own: Claim, now: number): Divergence | undefined {
    this.#own = [];
    this.#differences.clear();
    return this.applied(own, now);
  }

  /** On a follower: its leader's word. Present: this node must stop. */
  leaderSays(said: Said): Divergence | undefined {
    return this.#hear(said, false);
  }

  /** On a leader: the word of any member. Present: this node itself must stop. */
  memberSays(said: Said): Divergence | undefined {
    return this.#hear(said, true);
  }

  forget(member: NodeId): void {
    this.#pending.delete(member);
    this.#differences.delete(member);
  }

  /**
   * A word that lies ahead of us is kept until we are there, and later ones are not looked at
   * meanwhile: otherwise who is always a little behind would never compare.
   */
  #hear(said: Said, leads: boolean): Divergence | undefined {
    if (said.term !== this.#term) {
      this.#pending.clear();
      this.#differences.clear();
    }
    this.#term = said.term;
    this.#leads = leads;
    if (said.index <= this.#applied) return this.#judge(said, said.heardMs);
    if (!this.#pending.has(said.by)) this.#pending.set(said.by, said);
    return undefined;
  }

  #judge(said: Said, now: number): Divergence | undefined {
    const { by, index, effectHash: theirs } = said;
    const own = this.#ownAt(index);
    if (own === undefined) return undefined;
    if (own === theirs) {
      this.#differences.delete(by);
      return undefined;
    }
    const known = this.#differences.get(by);
    const difference = { ...said, sinceMs: known?.sinceMs ?? now };
    this.#differences.set(by, difference);
    if (this.#leads && known === undefined) {
      this.#divergences++;
      this.#found.push(difference);
    }
    const mustStop = this.#leads
      ? this.#isOutvoted(difference, now)
      : difference.heardMs - difference.sinceMs >= this.#electionTimeoutMs;
    return mustStop ? { index, own, leaders: theirs } : undefined;
  }

  /**
   * Do voters enough for a quorum contradict this leader, and not each other? Under load they
   * seldom speak of the same entry; then nothing is known against their being of one mind. Old
   * words do not count: two members that were damaged days apart are no quorum.
   */
  #isOutvoted(newest: Difference, now: number): boolean {
    const voters = this.#voters();
    if (!voters.includes(newest.by)) return false;
    const against = [newest];
    for (const voter of voters) {
      const said = this.#differences.get(voter);
      if (said === undefined || voter === newest.by) continue;
      if (now - said.heardMs >= this.#electionTimeoutMs) continue;
      if (!against.some((other) => contradict(other, said))) against.push(said);
    }
    return against.length >= quorumSize(voters.length);
  }

  #remember(own: Claim): void {
    this.#applied = own.index;
    this.#own[own.index % EFFECT_HASHES_KEPT] = own;
  }

  /** undefined: applied too long ago, not yet, or as part of a snapshot. */
  #ownAt(index: LogIndex): string | undefined {
    const own = this.#own[index % EFFECT_HASHES_KEPT];
    return own?.index === index ? own.effectHash : undefined;
  }
}

function contradict(one: Claim, other: Claim): boolean {
  return one.index === other.index && one.effectHash !== other.effectHash;
}
