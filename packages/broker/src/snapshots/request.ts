/** What a member asks a source for: a snapshot that reaches an entry, or the rest of one. */
import type { LogIndex } from "task-queue-raft";
import { KEY_BYTES_MAX, REQUEST_BYTES_MAX } from "./limits.ts";

export interface SnapshotRequest {
  /** The state must include this entry. */
  readonly minIndex: LogIndex;
  /** Go on behind this key of this snapshot, if it is still kept; else begin a new one. */
  readonly resume: { readonly id: string; readonly lastKey: Uint8Array } | undefined;
}

const VERSION = 1;

export function encodeRequest({ minIndex, resume }: SnapshotRequest): Buffer {
  const lastKey = resume && Buffer.from(resume.lastKey).toString("hex");
  return Buffer.from(JSON.stringify({ version: VERSION, minIndex, id: resume?.id, lastKey }));
}

/** Throws when it is none; the message is for the asker. */
export function decodeRequest(bytes: Uint8Array): SnapshotRequest {
  const document = bytes.length > REQUEST_BYTES_MAX ? undefined : parse(bytes);
  if (document === undefined) throw new Error("this is no request for a snapshot");
  const { version, minIndex, id, lastKey } = document;
  if (version !== VERSION) throw new Error(`requests of version ${version} are not known here`);
  if (!Number.isSafeInteger(minIndex) || (minIndex as number) < 0) {
    throw new Error("the request names no entry");
  }
  const keyHex = typeof lastKey === "string" && lastKey.length <= 2 * KEY_BYTES_MAX ? lastKey : "";
  const resume =
    typeof id === "string" && keyHex !== ""
      ? { id, lastKey: Buffer.from(keyHex, "hex") }
      : undefined;
  return { minIndex: minIndex as number, resume };
}

function parse(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const document: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return typeof document === "object" && document !== null
      ? (document as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
