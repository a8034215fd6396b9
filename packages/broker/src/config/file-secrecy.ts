/**
 * Who besides its owner may read a file that holds a secret. A group may read what root has given
 * it to read: so do packages share one certificate.
 */
import { statSync } from "node:fs";

/** Bits of a file's mode: what its group, and what everybody, may do. */
const GROUP = 0o070;
const OTHERS = 0o007;
const ROOT = 0;

/** For a message; undefined: nobody who should not. */
export function otherReaders(path: string): string | undefined {
  const { mode, uid } = statSync(path);
  if ((mode & OTHERS) !== 0) return "every user of this machine";
  return uid !== ROOT && (mode & GROUP) !== 0 ? "its group" : undefined;
}
