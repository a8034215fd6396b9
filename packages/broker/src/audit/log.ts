/**
 * The audit log of this node: takes what the doors tell it, and writes it in that order, a batch at
 * a time, away from the paths of tasks. An action's line is in the file before its answer leaves.
 * Where the file cannot be written the broker goes on: the lines are counted, its own log says so,
 * and the first line that can be written again tells how many are missing. A disk that hangs holds
 * up one action for a few seconds, and no other until it answers.
 */
import {
  type AuditPageJson,
  type AuditParams,
  AUDIT_TORN as TORN,
  TqError,
} from "task-queue-protocol";
import { Throttle } from "../observe/throttle.ts";
import type { Audit, Deed } from "../operations/audit.ts";
import { type Content, follow, type Link } from "./chain.ts";
import { AuditFile } from "./file.ts";
import { ACTION_MS_MAX, PENDING_MAX, REFUSALS_MS, RETRY_MS, SYNC_MS } from "./limits.ts";
import { readPage } from "./pages.ts";
import { Positions } from "./positions.ts";
import { type Counted, Refusals } from "./refusals.ts";

export interface AuditLogOptions {
  readonly node: string;
  /** Absolute. */
  readonly path: string;
  /** A file that would become larger is put aside. */
  readonly maxBytes: number;
  /** Files put aside that are kept. */
  readonly keep: number;
  readonly log: { error(fields: object, text: string): void };
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
}

interface Pending {
  readonly content: Omit<Content, "node">;
  readonly done: () => void;
}

export class AuditLog implements Audit {
  readonly #options: AuditLogOptions;
  readonly #throttle = new Throttle();
  readonly #refusals = new Refusals();
  readonly #positions = new Positions();
  #pending: Pending[] = [];
  #file: AuditFile | undefined;
  /** A file that was opened and not yet written to: how it ends is to be seen to. */
  #found: AuditFile | undefined;
  #last: Link;
  #writing: Promise<void> | undefined;
  #counting: NodeJS.Timeout | undefined;
  #syncing: NodeJS.Timeout | undefined;
  /** Until when nothing is tried, by the clock of the process. */
  #brokenUntil = 0;
  /** Until when a full file is gone on with, because it could not be put aside. */
  #fullUntil = 0;
  #lost = 0;
  /** Somebody has waited for a write in vain, and it has not ended since. */
  #hangs = false;
  #isClosed = false;

  private constructor(options: AuditLogOptions, file: AuditFile) {
    this.#options = options;
    this.#file = file;
    this.#last = file.last;
    this.#found = file;
  }

  /** Throws what the file system throws. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    return new AuditLog(options, await AuditFile.open(options));
  }

  async action(deed: Deed): Promise<void> {
    // Whoever acts waits; there are no more of them than the doors let in.
    while (this.#pending.length >= PENDING_MAX) {
      if (this.#hangs) {
        this.#lost++;
        return;
      }
      await this.#patiently(this.#writing);
    }
    await this.#patiently(this.#put(deed));
  }

  refusal(deed: Deed): void {
    if (this.#isClosed) return;
    this.#refusals.add(deed);
    this.#counting ??= setTimeout(() => this.#count(), REFUSALS_MS).unref();
  }

  async read(params: AuditParams, who = ""): Promise<AuditPageJson> {
    if (this.#hangs) throw new TqError("overloaded", "the disk of the audit log does not answer");
    const { path, node } = this.#options;
    const page = await readPage(path, node, params);
    this.#positions.name(who, page.position, performance.now());
    return page;
  }

  isContinued(who: string, position: string): boolean {
    return this.#positions.isNamed(who, position, performance.now());
  }

  /** When all that it was told is on the disk, or a disk that hangs has had another chance. */
  async close(): Promise<void> {
    this.#count();
    this.#isClosed = true;
    this.#hangs = false;
    clearTimeout(this.#syncing);
    await this.#patiently(this.#writing);
    await this.#patiently(this.#end());
  }

  async #end(): Promise<void> {
    await this.#file?.sync().catch((error) => this.#failed(error));
    await this.#file?.close();
    this.#file = undefined;
  }

  /** Resolves when `work` has ended, and after a time in any case; at once while the disk hangs. */
  async #patiently(work: Promise<void> | undefined): Promise<void> {
    if (this.#hangs || work === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#hangs = true;
        resolve();
      }, ACTION_MS_MAX);
    });
    await Promise.race([work, late]);
    clearTimeout(timer);
  }

  #count(): void {
    clearTimeout(this.#counting);
    this.#counting = undefined;
    if (this.#refusals.isEmpty) return;
    const room = PENDING_MAX - this.#pending.length;
    // They go on being counted until there is room for a line.
    if (room > 0) for (const each of this.#refusals.take(room)) void this.#put(each);
    else if (!this.#isClosed) this.#counting = setTimeout(() => this.#count(), REFUSALS_MS).unref();
  }

  #put(what: Deed | Counted): Promise<void> {
    const { deed, count } = "deed" in what ? what : { deed: what, count: undefined };
    const time = new Date(this.#options.wallMs()).toISOString();
    return new Promise((done) => {
      if (this.#isClosed) return done();
      this.#pending.push({ content: { ...deed, time, count }, done });
      this.#writing ??= this.#writeAll().finally(() => {
        this.#writing = undefined;
      });
    });
  }

  async #writeAll(): Promise<void> {
    // What is told in the same turn is one write.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      try {
        await this.#write(batch);
      } catch (error) {
        this.#lost += batch.length;
        this.#failed(error);
      }
      this.#hangs = false;
      for (const { done } of batch) done();
    }
  }

  async #write(batch: readonly Pending[]): Promise<void> {
    const file = await this.#writable();
    const missing = this.#lost;
    const first = this.#last.seq + 1;
    let last = this.#last;
    let text = this.#found?.isOpen === true ? "\n" : "";
    for (const content of [...this.#remarks(), ...batch.map((each) => each.content)]) {
      const line = follow(last, { ...content, node: this.#options.node });
      text += `${line.text}\n`;
      last = line.at;
    }
    // How a file ends that was found is said in that file.
    const isFull = this.#found === undefined && this.#isFull(file, text);
    await (isFull ? await this.#putAside(file) : file).append(text, first);
    this.#found = undefined;
    this.#last = last;
    this.#lost -= missing;
    this.#syncing ??= setTimeout(() => this.#sync(), SYNC_MS).unref();
  }

  #isFull(file: AuditFile, text: string): boolean {
    return file.first > 0 && file.bytes + Buffer.byteLength(text) > this.#options.maxBytes;
  }

  /** The file to write to: the next one, or a full one as long as it cannot be put aside. */
  async #putAside(file: AuditFile): Promise<AuditFile> {
    if (performance.now() < this.#fullUntil) return file;
    let next = file;
    try {
      next = await file.rotate();
      this.#file = next;
      await next.removeOld();
    } catch (error) {
      this.#fullUntil = performance.now() + RETRY_MS;
      this.#complain("rotation", error, "files of the audit log cannot be put aside or removed");
    }
    return next;
  }

  /** The file; after trouble it is opened anew, and goes on behind its last whole line. */
  async #writable(): Promise<AuditFile> {
    if (this.#file !== undefined) return this.#file;
    if (performance.now() < this.#brokenUntil) throw new Error("it could not be written just now");
    const file = await AuditFile.open(this.#options);
    this.#file = file;
    this.#found = file;
    this.#last = file.last;
    return file;
  }

  /** What is to be said of the log itself before anything else. */
  #remarks(): Pending["content"][] {
    const time = new Date(this.#options.wallMs()).toISOString();
    const own = { time, who: "", from: "", door: "process", outcome: "noted" };
    const torn = this.#found?.torn;
    const remarks: Pending["content"][] = [];
    if (torn !== undefined) {
      remarks.push({ ...own, verb: TORN, target: `${torn.bytes} bytes, SHA-256 ${torn.hash}` });
    }
    if (this.#lost > 0) {
      remarks.push({ ...own, verb: "lost", target: `${this.#lost} lines`, count: this.#lost });
    }
    return remarks;
  }

  #sync(): void {
    this.#syncing = undefined;
    this.#file?.sync().catch((error) => this.#failed(error));
  }

  #failed(error: unknown): void {
    const file = this.#file;
    this.#file = undefined;
    void file?.close().catch(() => undefined);
    this.#brokenUntil = performance.now() + RETRY_MS;
    this.#complain("failed", error, "the audit log cannot be written");
  }

  #complain(about: string, error: unknown, words: string): void {
    if (!this.#throttle.allows(about)) return;
    const { path, log } = this.#options;
    log.error({ err: error, path }, `${words}: ${(error as Error).message}`);
  }
}
