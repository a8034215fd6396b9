/** The words of a transcript: what its arguments mean, and how a node's disk is printed. */

import { describeEntry } from "../src/describe.ts";
import {
  describeId,
  type Entry,
  type Membership,
  type Message,
  type SnapshotId,
} from "../src/index.ts";
import { bytes, type Disk, decodeMembership, encodeMembership } from "./disk.ts";

export type Arguments = ReadonlyMap<string, string>;

export function entryOf(text: string, at: number): Entry {
  const [term = "", members] = text.split(/[()]/);
  const id = { term: Number(term), index: at + 1 };
  if (members === undefined) return { ...id, kind: "normal", data: bytes(`${term}.${at + 1}`) };
  const [voters = [], learners = []] = members.split("/").map((ids) => ids.split(""));
  return { ...id, kind: "membership", data: encodeMembership({ voters, learners }) };
}

export function messageOf(args: Arguments): Message {
  const [term, index] = args.get("last")?.split("/").map(Number) ?? [];
  const number = (name: string) => Number(args.get(name) ?? 0);
  return {
    ...Object.fromEntries(args),
    term: number("term"),
    last: { term, index },
    transfer: args.has("transfer"),
    round: number("round"),
    commit: number("commit"),
    match: number("match"),
    durable: number("durable"),
  } as unknown as Message;
}

export function membershipOf(args: Arguments): Membership {
  const list = (name: string) => args.get(name)?.split(",") ?? [];
  return { voters: list("voters"), learners: list("learners") };
}

export function appliedNext(
  { membership }: SnapshotId,
  { term, index, kind, data }: Entry,
): SnapshotId {
  return { term, index, membership: kind === "membership" ? decodeMembership(data) : membership };
}

export function describeLog({ current }: Disk): string {
  const entries = current.list.map(describeEntry);
  if (current.base.index > 0) entries.unshift(`(up to ${describeId(current.base)})`);
  return entries.join(", ");
}
