/**
 * Members as another node has sent them with a snapshot, looked at before anything behind them is
 * fetched: what this node cannot read must not become its log's first word about who belongs to it.
 */
import { decodeRoster } from "./replica/index.ts";

/** Throws unless these are members of whom at least one votes; the message says what is wrong. */
export function checkMembers(membership: Uint8Array): void {
  const roster: Readonly<Record<"revision" | "members", unknown>> = decodeRoster(membership);
  const { revision, members } = roster;
  if (!Number.isSafeInteger(revision) || (revision as number) < 0) throw new Error("no revision");
  if (!Array.isArray(members) || !members.every(isMember)) throw new Error("no list of members");
  const ids = new Set(members.map(({ id }) => id));
  if (ids.size < members.length) throw new Error("two members of the same id");
  if (!members.some(({ voter }) => voter)) throw new Error("no voter");
}

interface Listed {
  readonly id: string;
  readonly voter: boolean;
}

function isMember(value: unknown): value is Listed {
  if (typeof value !== "object" || value === null) return false;
  const { id, incarnation, bus, address, voter } = value as Record<string, unknown>;
  const words = [id, incarnation, bus, address];
  return words.every((it) => typeof it === "string" && it !== "") && typeof voter === "boolean";
}
