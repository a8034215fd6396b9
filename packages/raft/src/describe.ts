/**
 * Entries, messages and the rest in one line each, for logs, transcripts and failed tests. An entry
 * is named `term/index`, as in `2/7`; nothing here is meant to be parsed.
 */
import { unreachable } from "./assert.ts";
import type { Message } from "./message.ts";
import type { Raft } from "./raft.ts";
import type { PersistBatch, Ready } from "./ready.ts";
import type { Entry, EntryId, HardState } from "./types.ts";

/** Longer data is not shown, only counted. */
const SHOWN_BYTES = 24;

export function describeId({ term, index }: EntryId): string {
  return `${term}/${index}`;
}

export function describeEntry(entry: Entry): string {
  if (entry.kind === "empty") return `${describeId(entry)} empty`;
  const kind = entry.kind === "membership" ? "membership " : "";
  return `${describeId(entry)} ${kind}${describeData(entry.data)}`;
}

function describeData(data: Uint8Array): string {
  const isText = data.every((byte) => byte >= 0x20 && byte < 0x7f);
  if (!isText || data.length > SHOWN_BYTES) return `(${data.length} bytes)`;
  return `"${String.fromCharCode(...data)}"`;
}

function describeEntries(entries: readonly Entry[]): string {
  return `[${entries.map(describeEntry).join(", ")}]`;
}

/** Such as `a→b append t2 prev=1/3 commit=2 [2/4 "x"]`. */
export function describeMessage(message: Message): string {
  const head = `${message.from}→${message.to} ${message.type} t${message.term}`;
  const body = describeBody(message);
  return body === "" ? head : `${head} ${body}`;
}

function describeBody(message: Message): string {
  switch (message.type) {
    case "preVote":
      return `last=${describeId(message.last)}`;
    case "vote":
      return `last=${describeId(message.last)}${message.transfer ? " transfer" : ""}`;
    case "preVoteReply":
    case "voteReply":
      return message.granted ? "granted" : "rejected";
    case "append": {
      const { prev, commit, entries } = message;
      return `prev=${describeId(prev)} commit=${commit} ${describeEntries(entries)}`;
    }
    case "appendReply": {
      const { match, durable, rejected } = message;
      const reached = match === durable ? `match=${match}` : `match=${match} durable=${durable}`;
      if (rejected === undefined) return reached;
      return `rejected=${rejected.prev} hint=${describeId(rejected.hint)} ${reached}`;
    }
    case "heartbeat":
      return `round=${message.round} commit=${message.commit}`;
    case "heartbeatReply":
      return `round=${message.round}`;
    case "readIndex":
      return `id=${message.id}`;
    case "readIndexReply":
      return `id=${message.id} index=${message.index}`;
    case "installSnapshot":
      return `index=${message.index} sources=${message.sources.join(",")}`;
    case "lostEntries":
      return `index=${message.index}`;
    case "timeoutNow":
      return "";
    default:
      return unreachable(message);
  }
}

function describeHardState({ term, vote }: HardState): string {
  return `t${term} vote=${vote ?? "-"}`;
}

function describePersist(batch: PersistBatch): string {
  const parts = [`persist #${batch.seq}`];
  if (batch.hardState !== undefined) parts.push(describeHardState(batch.hardState));
  if (batch.restore !== undefined) parts.push(`restore=${describeId(batch.restore)}`);
  if (batch.truncateFrom !== undefined) parts.push(`truncate=${batch.truncateFrom}`);
  if (batch.entries.length > 0) parts.push(describeEntries(batch.entries));
  if (batch.messages.length > 0) {
    parts.push(`then {${batch.messages.map(describeMessage).join("; ")}}`);
  }
  return parts.join(" ");
}

/** All parts of a Ready, each as one string, in the order in which the caller serves them. */
export function readyParts(ready: Ready): string[] {
  const parts: string[] = [];
  if (ready.leadership !== undefined) {
    const { role, term, leader } = ready.leadership;
    parts.push(`${role} t${term} leader=${leader ?? "-"}`);
  }
  for (const message of ready.messages) parts.push(describeMessage(message));
  if (ready.persist !== undefined) parts.push(describePersist(ready.persist));
  if (ready.committed.length > 0) parts.push(`committed ${describeEntries(ready.committed)}`);
  for (const { id, index } of ready.reads) parts.push(`read ${id} index=${index ?? "none"}`);
  for (const { to, from, maxBytes } of ready.logReads) {
    parts.push(`logRead to=${to} from=${from} maxBytes=${maxBytes}`);
  }
  if (ready.snapshotFetch !== undefined) {
    const { index, sources } = ready.snapshotFetch;
    parts.push(`snapshotFetch index=${index} sources=${sources.join(",")}`);
  }
  return parts;
}

export function describeReady(ready: Ready): string {
  return readyParts(ready).join(" | ");
}

/** Such as `a leader t2 leader=a commit=4 last=5 durable=5`. */
export function describeStatus(raft: Raft): string {
  const { id, role, term, leader, commit, lastIndex, durableIndex } = raft;
  const head = `${id} ${role} t${term} leader=${leader ?? "-"}`;
  return `${head} commit=${commit} last=${lastIndex} durable=${durableIndex}`;
}
