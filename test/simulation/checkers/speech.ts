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
  /** Candidate a node voted for in a term, by `node/term`. */
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

  sent(id: NodeId, message: Message, disk: Disk): void {
    if (message.type !== "preVote") this.#checkTerm(id, message, disk);
    switch (message.type) {
      case "vote":
        this.#checkVote(id, message.term, id, disk);
        break;
      case "voteReply":
        if (message.granted) this.#checkVote(id, message.term, message.to, disk);
        break;
      case "append":
        this.#checkLeads(id, message.term);
        this.#checkAppend(message);
        break;
      case "heartbeat":
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

  #checkVote(id: NodeId, term: Term, candidate: NodeId, { hardState }: Disk): void {
    const outdated = hardState.term > term;
    demand(outdated || hardState.vote === candidate, "persist before speak", () => {
      return `${id} votes for ${candidate} in term ${term}, on its disk is ${hardState.vote}`;
    });
    const key = `${id}/${term}`;
    const other = this.#votes.get(key) ?? candidate;
    demand(other === candidate, "vote stability", () => {
      return `${id} votes for ${candidate} and ${other} in term ${term}`;
    });
    this.#votes.set(key, candidate);
  }

  #checkLeads(id: NodeId, term: Term): void {
    demand(this.#leaders.get(term) === id, "election safety", () => {
      return `${id} speaks as leader of term ${term}, which ${this.#leaders.get(term)} leads`;
    });
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
    const wanted = this.#told.get(term)?.get(durable) ?? this.#committedTerm(durable);
    const found = disk.termAt(durable);
    demand(found !== undefined && found === wanted, "persist before speak", () => {
      const is = found === undefined ? "nothing" : `an entry of term ${found}`;
      return `${id} acknowledges entry ${durable} of term ${wanted}, on its disk is ${is}`;
    });
  }
}
