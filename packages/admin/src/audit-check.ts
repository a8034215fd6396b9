/**
 * Whether the lines of an audit log are what a broker wrote, one after the other: every line says
 * what its hash says, names the hash of the one before, and has the next number. What is missing
 * at either end the lines cannot tell; a hash that was kept elsewhere can.
 */
import { createHash, type Hash } from "node:crypto";
import { AUDIT_GENESIS, AUDIT_TORN, type AuditJson, parseAuditLine } from "task-queue-protocol";

const LINE_END = Buffer.from("\n");

export interface Checked {
  /** Lines that are sound, and their numbers. */
  readonly lines: number;
  readonly first: number;
  readonly last: number;
  /** Of the last one. */
  readonly hash: string;
  /** Writes that a crash has cut off, as the broker itself has noted. */
  readonly torn: number;
  /** What is wrong first; undefined: nothing. */
  readonly fault: string | undefined;
}

export class AuditCheck {
  readonly #expected: string | undefined;
  #isSeen = false;
  #before: AuditJson | undefined;
  #first = 0;
  #lines = 0;
  #torn = 0;
  #at = 0;
  #unread: Unread | undefined;
  #fault: string | undefined;

  constructor(expected?: string) {
    this.#expected = expected;
  }

  /**
   * Lines in their order, without their ends. False: it is of no use to go on. `bytes`: as they
   * stand in the file, where they may be no text.
   */
  take(text: string, bytes: Uint8Array = Buffer.from(text)): boolean {
    this.#at++;
    const read = parseAuditLine(text);
    if (read === undefined) {
      this.#unread ??= new Unread(this.#at);
      this.#unread.add(text, bytes);
    } else if (sha256(read.content) !== read.line.hash) {
      this.#fail(this.#at, `says something else than was written (number ${read.line.seq})`);
    } else {
      this.#settle(read.line);
      this.#next(read.line);
    }
    return this.#fault === undefined;
  }

  /** `isWhole`: the last line had its end. */
  finish(isWhole: boolean): Checked {
    if (!isWhole && this.#fault === undefined) this.#fail(this.#at, "is cut off");
    if (this.#unread !== undefined) this.#fail(this.#unread.at, "is no line of an audit log");
    if (this.#lines === 0 && this.#fault === undefined) this.#fault = "there are no lines";
    if (this.#expected !== undefined && !this.#isSeen) {
      this.#fault ??= `no line has the hash ${this.#expected}: some are missing, or all are others`;
    }
    const { seq: last = 0, hash = "" } = this.#before ?? {};
    const [first, lines, torn] = [this.#first, this.#lines, this.#torn];
    return { lines, first, last, hash, torn, fault: this.#fault };
  }

  #next(line: AuditJson): void {
    const before = this.#before;
    if (before === undefined) {
      const isFirst = line.seq === 1;
      if (isFirst !== (line.previous === AUDIT_GENESIS)) this.#fail(this.#at, "begins no chain");
      this.#first = line.seq;
    } else if (line.seq !== before.seq + 1) {
      const numbers = `number ${line.seq} after ${before.seq}`;
      this.#fail(this.#at, `is not the next one: ${numbers}; lines were removed or moved`);
    } else if (line.previous !== before.hash) {
      this.#fail(this.#at, "follows another line than the one before it");
    }
    if (this.#fault !== undefined) return;
    if (line.hash === this.#expected) this.#isSeen = true;
    this.#before = line;
    this.#lines++;
  }

  /** A crash has cut it off only if the broker says so, of these very bytes. */
  #settle({ verb, target }: AuditJson): void {
    const unread = this.#unread;
    this.#unread = undefined;
    if (unread === undefined) return;
    const isCutOff = verb === AUDIT_TORN && unread.words().includes(target) && !unread.hasWhole;
    if (!isCutOff) this.#fail(unread.at, "is no line of an audit log");
    else this.#torn += unread.lines;
  }

  #fail(at: number, what: string): void {
    this.#fault ??= `line ${at} ${what}`;
  }
}

/**
 * Lines that cannot be read, until the next one says what they were: more than one if the line that
 * was to say so was cut off as well. Whatever comes, no more than a digest of it is kept.
 */
class Unread {
  /** The first one. */
  readonly at: number;
  readonly #digest: Hash = createHash("sha256");
  #bytes = 0;
  lines = 0;
  /** One of them is JSON to its end: no crash has cut that off. */
  hasWhole = false;

  constructor(at: number) {
    this.at = at;
  }

  add(text: string, bytes: Uint8Array): void {
    if (this.lines++ > 0) this.#update(LINE_END);
    this.#update(bytes);
    this.hasWhole ||= isJson(text);
  }

  /** How brokers put it: those up to 0.4.0 counted the last end of a line, if it was there. */
  words(): string[] {
    const without = wordsOf(this.#bytes, this.#digest.copy());
    return [without, wordsOf(this.#bytes + 1, this.#digest.copy().update("\n"))];
  }

  #update(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    this.#digest.update(bytes);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function wordsOf(bytes: number, digest: Hash): string {
  return `${bytes} bytes, SHA-256 ${digest.digest("hex")}`;
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
