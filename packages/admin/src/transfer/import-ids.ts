/**
 * Under which id a task of an export is made. It keeps its own where the cluster still takes it: a
 * new task's id is at most 24 hours old. An older one gets an id that follows from its own and from
 * the time of the import, so that whoever imports the same again comes to the same. Of two exports
 * that time differs: what they have in common is the key that follows from the task's own id.
 */
import { createHash } from "node:crypto";
import { formatTaskId, parseTaskId } from "task-queue-protocol";

/** Half of what a broker allows: an import may take as long as that, and clocks may differ. */
export const KEPT_MS = 12 * 60 * 60 * 1_000;
const TIME_BYTES = 6;

/** By which a task that was imported is known, under whichever id it was made. */
export function importKey(id: string): string {
  return `import:${id}`;
}

export class ImportIds {
  readonly #at: number;
  /** Into the cluster that the export is of. */
  readonly keepsAll: boolean;

  /** `at`: when the import first began. */
  constructor(at: number, keepsAll: boolean) {
    this.#at = at;
    this.keepsAll = keepsAll;
  }

  /** What is no id stays what it is, to be refused by name. */
  of(id: string): string {
    const bytes = this.keepsAll ? undefined : parseTaskId(id);
    return bytes === undefined || this.#isYoung(bytes) ? id : this.#derive(bytes);
  }

  /** There is no bound ahead: an export that takes an hour holds ids of all that hour. */
  #isYoung(id: Uint8Array): boolean {
    return Buffer.from(id).readUIntBE(0, TIME_BYTES) >= this.#at - KEPT_MS;
  }

  #derive(id: Uint8Array): string {
    const made = createHash("sha256").update(id).digest().subarray(0, id.length);
    made.writeUIntBE(this.#at, 0, TIME_BYTES);
    made[6] = 0x70 | (made[6]! & 0x0f);
    made[8] = 0x80 | (made[8]! & 0x3f);
    return formatTaskId(made);
  }
}
