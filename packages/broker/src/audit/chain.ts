/** The chain of lines: what makes one follow another. Pure but for SHA-256. */
import { createHash } from "node:crypto";
import {
  AUDIT_GENESIS,
  type AuditEntry,
  type AuditJson,
  auditContent,
  formatAuditLine,
  parseAuditLine,
} from "task-queue-protocol";
import type { Deed } from "../operations/audit.ts";
import { FIELD_LENGTH_MAX } from "./limits.ts";

/** The last line of a chain, as the next one needs it. */
export interface Link {
  readonly seq: number;
  readonly hash: string;
}

export const BEGINNING: Link = { seq: 0, hash: AUDIT_GENESIS };

export interface Content extends Omit<Deed, "door"> {
  readonly time: string;
  readonly node: string;
  readonly door: string;
  readonly count?: number | undefined;
}

/** The text of the line after `last`, without its end, and what it is to the one after it. */
export function follow(last: Link, content: Content): { readonly text: string; readonly at: Link } {
  const seq = last.seq + 1;
  const { time, node, who, keyId, from, door, verb, target, detail, outcome, index, count } =
    content;
  const entry: AuditEntry = {
    seq,
    time,
    node,
    who: clip(who),
    ...(keyId === undefined ? {} : { key_id: keyId }),
    from: clip(from),
    door,
    verb: clip(verb),
    target: clip(target),
    ...(detail === undefined ? {} : { detail: clip(detail) }),
    outcome: clip(outcome),
    ...(index === undefined ? {} : { index }),
    ...(count === undefined ? {} : { count }),
    previous: last.hash,
  };
  const hash = hashOf(auditContent(entry));
  return { text: formatAuditLine({ ...entry, hash }), at: { seq, hash } };
}

/** The line, if it is one and says what its hash says. */
export function readLine(text: string): AuditJson | undefined {
  const read = parseAuditLine(text);
  return read !== undefined && hashOf(read.content) === read.line.hash ? read.line : undefined;
}

export function hashOf(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function clip(text: string): string {
  return text.length <= FIELD_LENGTH_MAX ? text : `${text.slice(0, FIELD_LENGTH_MAX - 1)}…`;
}
