/**
 * The records of a blocked task: which parents it waits for, and, once one of them has failed it,
 * which one that was. Both go when it is blocked no more.
 */
import { CANCELLED, DEAD, EXPIRED } from "../state-number.ts";
import type { TaskId } from "../task.ts";
import { PARENT_FAILURES } from "../task.ts";
import { CodecError } from "./codec-error.ts";
import { readFormat } from "./content.ts";
import { Reader } from "./reader.ts";
import { sharedWriter } from "./writer.ts";

const FORMAT = 1;
const ID_BYTES = 16;
const FAILURES: readonly number[] = [DEAD, CANCELLED, EXPIRED];

export interface ParentRecord {
  /** Position in PARENT_FAILURES. */
  readonly onFailure: number;
  /** Those that were live at the submit, in the order of the content. */
  readonly parents: readonly TaskId[];
}

/** The parent that ended without success. */
export interface Culprit {
  readonly id: TaskId;
  /** `dead`, `cancelled` or `expired`. */
  readonly state: number;
}

export function encodeParents({ onFailure, parents }: ParentRecord): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(FORMAT);
  out.byte(onFailure);
  out.uint(parents.length);
  for (const id of parents) out.raw(id);
  return out.finish();
}

/** @throws CodecError */
export function decodeParents(bytes: Uint8Array): ParentRecord {
  const from = new Reader(bytes);
  readFormat(from, FORMAT);
  const onFailure = from.choice(PARENT_FAILURES.length);
  const parents: TaskId[] = [];
  for (let left = from.count(); left > 0; left--) parents.push(from.raw(ID_BYTES));
  from.end();
  return { onFailure, parents };
}

export function encodeCulprit({ id, state }: Culprit): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(FORMAT);
  out.raw(id);
  out.byte(state);
  return out.finish();
}

/** @throws CodecError */
export function decodeCulprit(bytes: Uint8Array): Culprit {
  const from = new Reader(bytes);
  readFormat(from, FORMAT);
  const culprit = { id: from.raw(ID_BYTES).slice(), state: from.byte() };
  if (!FAILURES.includes(culprit.state)) throw new CodecError(`a parent in state ${culprit.state}`);
  from.end();
  return culprit;
}
