/**
 * A line of a broker's audit log, as it stands in the file and as the verb `audit` answers. Each
 * carries the hash of the one before it, and its own of all that it says, so that whoever has the
 * lines can tell whether one was changed, removed or put elsewhere: see docs/audit.md.
 */

/** What one line says, without its own hash; the order of the fields is that of the file. */
export interface AuditEntry {
  /** Counted from 1, on over rotations and restarts. */
  seq: number;
  /** RFC 3339, by the clock of the node. */
  time: string;
  node: string;
  /** Name of the key; `anonymous` where none was asked for; empty where it is not known. */
  who: string;
  /** Of a key that the cluster keeps: its id, which no other has; since 0.5.0. */
  key_id?: string;
  /** Address without its port; empty for what the process does by itself. */
  from: string;
  door: string;
  verb: string;
  /** Id of a task, job or member, or the name of a queue; what a line about the log is about. */
  target: string;
  /** Parameters that are numbers or switches, and the names of settings. */
  detail?: string;
  /** `ok`, or the code of the error. */
  outcome: string;
  /** Of the log entry that made it so, where one did. */
  index?: number;
  /** How many refusals the line stands for; one where it is left out. */
  count?: number;
  /** The hash of the line before, in hex; zeros before the first. */
  previous: string;
}

export interface AuditJson extends AuditEntry {
  /** SHA-256 of the entry's JSON without this field, in hex. */
  hash: string;
}

export interface AuditParams {
  /** From an earlier answer; default: the oldest line that is kept. */
  position?: string;
  /** Without `position`: lines from this time on, in milliseconds since 1970. */
  since?: number;
}

export interface AuditPageJson {
  node_id: string;
  lines: AuditJson[];
  /** To go on from. */
  position: string;
  /** There was nothing more when this was answered. */
  end: boolean;
}

/** Before the first line of all. */
export const AUDIT_GENESIS = "0".repeat(64);

/** The verb of a line after one that was cut off; its target has the length and SHA-256 of that. */
export const AUDIT_TORN = "torn";

/** A line longer than this was not written by a broker. */
export const AUDIT_LINE_LENGTH_MAX = 8_192;

/** What the hash of a line is of. */
export function auditContent(entry: AuditEntry): string {
  return JSON.stringify(entry);
}

/** The line in ASCII: nothing in it can mean more to a terminal than itself. */
export function formatAuditLine(line: AuditJson): string {
  return JSON.stringify(line).replace(/[\u007f-\uffff]/g, escaped);
}

/**
 * Reads a line, escaped or not; undefined: it is none. The hash is not checked, because that takes
 * SHA-256, which this package does without.
 */
export function parseAuditLine(
  text: string,
): { readonly line: AuditJson; readonly content: string } | undefined {
  if (text.length > AUDIT_LINE_LENGTH_MAX) return undefined;
  const line = parsed(text);
  if (line === undefined) return undefined;
  // Only one way to write it counts, or a field could be said twice, and differently.
  if (text !== formatAuditLine(line) && text !== JSON.stringify(line)) return undefined;
  const { hash: _, ...entry } = line;
  return { line, content: auditContent(entry) };
}

function parsed(text: string): AuditJson | undefined {
  let value: Partial<AuditJson> | null;
  try {
    value = JSON.parse(text) as Partial<AuditJson> | null;
  } catch {
    return undefined;
  }
  if (value === null || typeof value !== "object") return undefined;
  const { seq, previous, hash } = value;
  if (!Number.isSafeInteger(seq)) return undefined;
  if (typeof previous !== "string" || typeof hash !== "string") return undefined;
  return value as AuditJson;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
