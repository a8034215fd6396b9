/**
 * A rolling mix over everything that applying a batch decided. Two replicas that applied the same
 * log have the same value; a difference names the first flush after which they disagreed. It
 * guards against bugs and damage, not against malice.
 */
import { FREE, type LiveTable, wordAt } from "./live-table.ts";
import type { ClusterTime } from "./task.ts";

export class EffectHash {
  /** Signed inside: V8 keeps such a word in the field, an unsigned one in an object of its own. */
  #high: number;
  #low: number;

  constructor(high: number, low: number) {
    this.#high = high | 0;
    this.#low = low | 0;
  }

  get high(): number {
    return this.#high >>> 0;
  }

  get low(): number {
    return this.#low >>> 0;
  }

  /** 16 hex digits. */
  toString(): string {
    return hex(this.high) + hex(this.low);
  }

  word(value: number): void {
    const mixed = Math.imul(this.#high ^ value, 0x9e3779b1);
    this.#high = (mixed << 13) | (mixed >>> 19);
    const other = Math.imul(this.#low + value, 0x85ebca6b);
    this.#low = other ^ (other >>> 15) ^ mixed;
  }

  /** A whole number below 2^53. */
  number(value: number): void {
    this.word(value >>> 0);
    this.word((value / 0x1_0000_0000) >>> 0);
  }

  /** A task or an access key that is no more. */
  removal(id: Uint8Array): void {
    this.#id(id);
    this.word(FREE);
  }

  /** One that is new, or ends at another time than before. */
  accessKey(id: Uint8Array, expiresAt: ClusterTime): void {
    this.#id(id);
    this.number(expiresAt);
  }

  /** A task that went to `state`; `token` is that of the run that began or ended, else 0. */
  transition(table: LiveTable, slot: number, state: number, token: number): void {
    for (let word = 0; word < 4; word++) this.word(table.idWord(slot, word));
    this.word(state);
    this.number(token);
  }

  /** Of 16 bytes. */
  #id(id: Uint8Array): void {
    for (let at = 0; at < 16; at += 4) this.word(wordAt(id, at));
  }
}

/** Asked for at each entry; `toString(16)` of a number takes ten times as long. */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  return byte.toString(16).padStart(2, "0");
});

function hex(word: number): string {
  const low = HEX[(word >>> 8) & 0xff]! + HEX[word & 0xff]!;
  return HEX[word >>> 24]! + HEX[(word >>> 16) & 0xff]! + low;
}
