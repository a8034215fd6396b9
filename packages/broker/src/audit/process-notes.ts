/**
 * What the process has to say from outside a broker's life, as a reload of the settings: said while
 * no log is open, it waits for the next one.
 */
import type { Audit, Deed } from "../operations/audit.ts";
import { NOTES_MAX } from "./limits.ts";

export class ProcessNotes {
  #audit: Audit | undefined;
  #waiting: Deed[] = [];

  note(deed: Deed): void {
    if (this.#audit !== undefined) void this.#audit.action(deed);
    else if (this.#waiting.length < NOTES_MAX) this.#waiting.push(deed);
  }

  /** From now on, and until it is called again, `audit` is told; undefined: there is none. */
  tell(audit: Audit | undefined): void {
    this.#audit = audit;
    if (audit === undefined) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const deed of waiting) void audit.action(deed);
  }
}
