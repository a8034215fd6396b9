/**
 * Election safety, vote stability, and persist before speak: every message is held against what
 * is durable on its sender's disk at the moment it leaves. The checker believes nothing that a
 * node says of itself.
 */
import type { Append, AppendReply, Leadership, Message, NodeId, Term } from "task-queue-raft";
import type { Disk } from "../disk.ts";
import { demand } from "../violation.ts";

export class SpeechChecker {
  /** Term of a committed entry: every leader has it, whether it said so or not. */
  readonly #committedTerm: (index: number) => Term | undefined;
  readonly #leaders = new Map<Term, NodeId>();
  /** Candidate a node voted for in a term, by `incarnation/term`. */
  readonly #votes = new Map<string, NodeId>();
  /** The log of each term's leader as it told its followers: term of the entry at each index. */
  readonly #told = new Map<Term, Map<number, Term>>();

  constructor(committedTerm: (index: number) => Term | undefined) {
    this.#committedTerm = committedTerm;
  }

  leadership(id: NodeId, { role, term }: Leadership): void {
    if (role !== "leader") return;
    const other = this.#leaders.get(term) ?? id;
    demand(other === id, "election safety", () => `${id} and ${other} both lead in term ${term}`);
    this.#leaders.set(term, id);
  }

  /** `voter`: the incarnation of `id`; another one is another node. */
  sent(id: NodeId, message: Message, disk: Disk, voter: string): void {
    if (message.type !== "preVote") this.#checkTerm(id, message, disk);
    switch (message.type) {
      case "vote":
        this.#checkVote(id, message.term, id, disk, voter);
        break;
      case "voteReply":
        if (message.granted) this.#checkVote(id, message.term, message.to, disk, voter);
        break;
      case "append":
        this.#checkLeads(id, message.term);
        this.#checkAppend(message);
        break;
      case "heartbeat":
      case "installSnapshot":
      case "timeoutNow":
      case "lostEntries":
        this.#checkLeads(id, message.term);
        break;
      case "appendReply":
        this.#checkAppendReply(id, message, disk);
        break;
      default:
        break;
    }
  }

  #checkTerm(id: NodeId, { type, term }: Message, { hardState }: Disk): void {
    demand(hardState.term >= term, "persist before speak", () => {
      return `${id} sends ${type} in term ${term}, on its disk is term ${hardState.term}`;
    });
  }

  #checkVote(id: NodeId, term: Term, candidate: NodeId, { hardState }: Disk, voter: string): void {
    const outdated = hardState.term > term;
    demand(outdated || hardState.vote === candidate, "persist before speak", () => {
      return `${id} votes for ${candidate} in term ${term}, on its disk is ${hardState.vote}`;
    });
    const key = `${voter}/${term}`;
    const other = this.#votes.get(key) ?? candidate;
    demand(other === candidate, "vote stability", () => {
      return `${id} votes for ${candidate} and ${other} in term ${term}`;
    });
    this.#votes.set(key, candidate);
  }

  /** An office that begins and ends within one turn is never announced; its words are. */
  #checkLeads(id: NodeId, term: Term): void {
    const leader = this.#leaders.get(term) ?? id;
    demand(leader === id, "election safety", () => {
      return `${id} speaks as leader of term ${term}, which ${leader} leads`;
    });
    this.#leaders.set(term, id);
  }

  #checkAppend({ term, prev, entries }: Append): void {
    let told = this.#told.get(term);
    if (told === undefined) {
      told = new Map([[0, 0]]);
      this.#told.set(term, told);
    }
    this.#tell(told, term, prev.index, prev.term);
    for (const entry of entries) this.#tell(told, term, entry.index, entry.term);
  }

  #tell(told: Map<number, Term>, term: Term, index: number, entryTerm: Term): void {
    const before = told.get(index) ?? entryTerm;
    demand(before === entryTerm, "leader append-only", () => {
      return `in term ${term} entry ${index} is first of term ${before}, then of ${entryTerm}`;
    });
    told.set(index, entryTerm);
  }

  #checkAppendReply(id: NodeId, { term, match, durable }: AppendReply, disk: Disk): void {
    demand(durable <= match, "persist before speak", () => {
      return `${id} acknowledges ${durable} as durable, ${match} as written`;
    });
    if (durable === 0) return;
    // Within the state that a snapshot brought, or behind a compaction.
    if (durable < disk.log.base.index) return;
    const found = durable <= disk.log.synced ? disk.log.termAt(durable) : undefined;
    const wanted = this.#known(term, durable) ?? found;
    demand(found !== undefined && found === wanted, "persist before speak", () => {
      const is = found === undefined ? "nothing" : `an entry of term ${found}`;
      return `${id} acknowledges entry ${durable} of term ${wanted}, on its disk is ${is}`;
    });
    // This entry vouches for all before it.
    const written = disk.log.termAt(match);
    const told = this.#known(term, match) ?? written;
    demand(written !== undefined && written === told, "persist before speak", () => {
      return `${id} acknowledges entry ${match} of term ${told}, written is one of ${written}`;
    });
  }

  /** Term of an entry that the leader of `term` has, as far as anybody heard of it. */
  #known(term: Term, index: number): Term | undefined {
    return this.#told.get(term)?.get(index) ?? this.#committedTerm(index);
  }
}
