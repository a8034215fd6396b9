/** Single nodes for tests: made from a few words, and driven without network or disk. */
import {
  DEFAULTS,
  type Entry,
  type LogRead,
  type Message,
  type PersistBatch,
  Raft,
  type RaftOptions,
  type ReadState,
  type SnapshotFetch,
  type Vote,
} from "../src/index.ts";
import { bytes, decodeMembership } from "./disk.ts";

export interface Sketch extends Partial<Omit<RaftOptions, "log" | "membership" | "hardState">> {
  readonly voters?: readonly string[];
  readonly learners?: readonly string[];
  /** Terms of the entries on disk, from index 1. */
  readonly terms?: readonly number[];
  readonly term?: number;
  readonly vote?: string;
}

export function optionsOf(sketch: Sketch): RaftOptions {
  const { voters = ["a", "b", "c"], learners = [], terms = [], term, vote, ...rest } = sketch;
  return {
    ...DEFAULTS,
    commitDelayMs: 0,
    id: "a",
    applied: 0,
    random: () => 0,
    now: 0,
    decodeMembership,
    membership: { voters, learners },
    hardState: { term: term ?? terms.at(-1) ?? 0, vote },
    log: { base: 0, prev: { term: 0, index: 0 }, tail: entriesOf(1, ...terms) },
    ...rest,
  };
}

export function newRaft(sketch: Sketch = {}): Raft {
  return new Raft(optionsOf(sketch));
}

/** Entries of these terms from index `from` on. */
export function entriesOf(from: number, ...terms: readonly number[]): Entry[] {
  return terms.map((term, at) => {
    return { term, index: from + at, kind: "normal", data: bytes(`${term}.${from + at}`) };
  });
}

export interface Outcome {
  readonly messages: Message[];
  readonly batches: PersistBatch[];
  readonly committed: Entry[];
  readonly reads: ReadState[];
  readonly logReads: LogRead[];
  readonly fetches: SnapshotFetch[];
}

/** Does what the node asks for until it asks for nothing; the disk confirms at once. */
export function settle(raft: Raft): Outcome {
  const all: Outcome = {
    messages: [],
    batches: [],
    committed: [],
    reads: [],
    logReads: [],
    fetches: [],
  };
  while (raft.hasReady()) {
    const ready = raft.takeReady();
    all.messages.push(...ready.messages);
    all.committed.push(...ready.committed);
    all.reads.push(...ready.reads);
    all.logReads.push(...ready.logReads);
    if (ready.snapshotFetch !== undefined) all.fetches.push(ready.snapshotFetch);
    if (ready.persist === undefined) continue;
    all.batches.push(ready.persist);
    raft.persisted(ready.persist.seq, true);
    all.messages.push(...ready.persist.messages);
  }
  return all;
}

/** Gives a node a message and returns what it says to that, its disk being fast. */
export function tell(raft: Raft, message: Sent): Message[] {
  const absent = message.type === "vote" ? { transfer: false } : {};
  raft.step({ to: raft.id, ...absent, ...message } as Message);
  return settle(raft).messages;
}

type OmitTo<M> = M extends Message ? Omit<M, "to"> : never;
/** A message without its receiver; a vote is no part of a transfer unless it says so. */
export type Sent = OmitTo<Exclude<Message, Vote>> | (Omit<Vote, "to" | "transfer"> & Waiver);

interface Waiver {
  readonly transfer?: boolean;
}

/** A leader of its next term, in a cluster whose other voters grant everything. */
export function newLeader(sketch: Sketch = {}): Raft {
  const raft = newRaft(sketch);
  elect(raft);
  return raft;
}

export function elect(raft: Raft): void {
  raft.tick(raft.nextDeadline());
  settle(raft);
  const others = raft.membership.voters.filter((id) => id !== raft.id);
  const granted = true;
  for (const from of others) tell(raft, { type: "preVoteReply", from, term: raft.term, granted });
  for (const from of others) tell(raft, { type: "voteReply", from, term: raft.term, granted });
  if (raft.role !== "leader") throw new Error(`${raft.id} was not elected`);
}

/** The follower acknowledges the log of the leader up to `match`, fsynced. */
export function acknowledge(raft: Raft, from: string, match: number): Outcome {
  const { term } = raft;
  raft.step({ type: "appendReply", from, to: raft.id, term, match, durable: match });
  return settle(raft);
}

/** What is sent to whom, such as `append b`. */
export function types(messages: readonly Message[]): string[] {
  return messages.map(({ type, to }) => `${type} ${to}`);
}
