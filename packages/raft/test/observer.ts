/**
 * Sees everything that happens in a simulation, writes down what was promised, and throws when a
 * promise is broken: the five of Figure 3.2, and those about votes, disks, members and reads.
 */
import type { Entry, Membership, Message, Raft, RaftOptions, SnapshotId } from "../src/index.ts";
import { type Disk, decodeMembership } from "./disk.ts";

/** What the observer looks at. */
export interface Observed {
  readonly id: string;
  /** Another one after each time that the node came back with an empty disk. */
  readonly incarnation: number;
  readonly disk: Disk;
  /** The entry that was applied last, and who was a member then. */
  applied: SnapshotId;
}

export class Observer {
  /** Every entry that some node has reported as committed. */
  readonly committed: Entry[] = [];
  /** The term of the node that reported it first. */
  readonly #committedIn: number[] = [];
  readonly #leaders = new Map<number, string>();
  readonly #votes = new Map<string, string>();
  readonly #commitBy: RaftOptions["commitBy"];
  /** The newest committed membership. */
  #membership: Membership;
  readsAnswered = 0;

  constructor(membership: Membership, commitBy: RaftOptions["commitBy"]) {
    this.#membership = membership;
    this.#commitBy = commitBy;
  }

  get membership(): Membership {
    return this.#membership;
  }

  /** State machine safety: what is applied at an index is the same everywhere, for ever. */
  applied(node: Observed, entry: Entry, term: number): void {
    if (entry.index !== node.applied.index + 1) {
      throw new Error(`${node.id} applies ${entry.index} after ${node.applied.index}`);
    }
    const isChange = entry.kind === "membership";
    const membership = isChange ? decodeMembership(entry.data) : node.applied.membership;
    node.applied = { term: entry.term, index: entry.index, membership };
    const known = this.committed[entry.index - 1];
    if (known !== undefined) {
      if (!isSame(known, entry)) throw new Error(`${node.id} applies another ${entry.index}`);
      return;
    }
    this.committed.push(entry);
    this.#committedIn.push(term);
    if (isChange) this.#changed(entry, membership);
  }

  /**
   * Quorums of two memberships that follow each other have a voter in common, and no leader changes
   * them before an entry of its term is committed.
   */
  #changed(entry: Entry, next: Membership): void {
    const { voters } = this.#membership;
    const gone = voters.filter((id) => !next.voters.includes(id));
    const come = next.voters.filter((id) => !voters.includes(id));
    if (gone.length + come.length > 1) {
      throw new Error(`voters ${voters} became ${next.voters} with entry ${entry.index}`);
    }
    this.#membership = next;
    if (this.committed.some(({ term, index }) => term === entry.term && index < entry.index))
      return;
    throw new Error(`entry ${entry.index} is the first of term ${entry.term}, and a membership`);
  }

  /** What a snapshot holds is what everybody else has applied there. */
  restored(node: Observed, snapshot: SnapshotId): void {
    const { term, index, membership } = snapshot;
    const known = this.committed[index - 1];
    if (known?.term !== term) throw new Error(`${node.id} restores ${term}/${index}`);
    if (index <= node.applied.index) throw new Error(`${node.id} goes back to ${index}`);
    node.applied = { term, index, membership };
  }

  /**
   * Election safety, and leader completeness: a leader has all that was committed in earlier terms.
   * Late votes may well make a leader of a term that others have left behind; it can do no harm.
   */
  leads(node: Observed, raft: Raft): void {
    const known = this.#leaders.get(raft.term);
    if (known === node.id) return;
    if (known !== undefined) throw new Error(`${known} and ${node.id} lead term ${raft.term}`);
    this.#leaders.set(raft.term, node.id);
    const { current } = node.disk;
    this.committed.forEach((entry, at) => {
      if (this.#committedIn[at]! >= raft.term || entry.index <= current.base.index) return;
      const own = current.at(entry.index);
      if (own === undefined || !isSame(own, entry)) {
        throw new Error(`leader ${node.id} of term ${raft.term} lacks entry ${entry.index}`);
      }
    });
  }

  /** Nobody says what its disk would not repeat after a crash; and nobody votes twice. */
  spoken(node: Observed, message: Message): void {
    if (message.type === "preVote") return;
    const { hardState, durable } = node.disk;
    if (message.term > hardState.term) {
      throw new Error(`${node.id} speaks for term ${message.term}, on disk is ${hardState.term}`);
    }
    if (message.type === "appendReply" && message.term === hardState.term) {
      const reached = this.#commitBy === "match" ? message.match : message.durable;
      if (reached > durable.lastIndex) {
        throw new Error(`${node.id} acknowledges ${reached}, which it may lose`);
      }
    }
    const voted = message.type === "voteReply" && message.granted ? message.to : undefined;
    const stands = message.type === "vote" ? message.from : undefined;
    const vote = voted ?? stands;
    if (vote === undefined) return;
    const key = `${node.id}.${node.incarnation} in ${message.term}`;
    const known = this.#votes.get(key) ?? vote;
    if (known !== vote) throw new Error(`${key} votes for ${known} and ${vote}`);
    this.#votes.set(key, vote);
  }

  /** Reads see everything that was committed when they were asked. */
  answered(node: Observed, asked: number, index: number): void {
    this.readsAnswered++;
    if (index < asked) throw new Error(`${node.id} read at ${index}, ${asked} were committed`);
  }

  /**
   * Log matching: the same index and term means the same entry and the same past. And no log has
   * two memberships that are not committed.
   */
  logs(nodes: readonly Observed[]): void {
    for (const a of nodes) {
      const isOpen = (one: Entry) => {
        return one.kind === "membership" && one.index > this.committed.length;
      };
      const open = a.disk.current.list.filter(isOpen).length;
      if (open > 1) throw new Error(`${a.id} has ${open} memberships that are not committed`);
      for (const b of nodes) this.#logsMatch(a, b);
    }
  }

  #logsMatch(a: Observed, b: Observed): void {
    const [one, other] = [a.disk.current, b.disk.current];
    const first = Math.max(one.base.index, other.base.index) + 1;
    let agree = false;
    for (let index = Math.min(one.lastIndex, other.lastIndex); index >= first; index--) {
      const [x, y] = [one.at(index)!, other.at(index)!];
      agree ||= x.term === y.term;
      if (agree && !isSame(x, y)) throw new Error(`${a.id}, ${b.id} differ at ${index}`);
    }
  }
}

function isSame(a: Entry, b: Entry): boolean {
  return a.term === b.term && a.kind === b.kind && a.data.join() === b.data.join();
}
