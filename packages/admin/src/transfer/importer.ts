/**
 * Makes the tasks of a checked export, batch by batch. A task's id follows from the export, so that
 * whatever is sent again makes nothing twice; the journal only saves that work. Children whose
 * parents are not there yet are tried again behind the others: out of memory, or, where they are
 * too many, out of the file.
 */
import { TqError } from "task-queue-client";
import { explain } from "../exit-status.ts";
import type { AdminClient } from "../io.ts";
import { printable } from "../output/table.ts";
import { Aliases } from "./aliases.ts";
import { parsedLine } from "./export-file.ts";
import type { CheckedFile } from "./file-check.ts";
import type { QueueLine, TaskLine } from "./format.ts";
import { type Journal, NO_TALLY, type Progress, type Tally } from "./journal.ts";
import { type Place, readLines } from "./line-reader.ts";
import { LineSet } from "./line-set.ts";
import { liveAmong } from "./live-among.ts";
import { importPaused, importSettings } from "./queue-settings.ts";
import { inWordsOfFile } from "./submit-fields.ts";
import { type Item, toItem, type Wording } from "./submit-item.ts";

const BATCH_TASKS = 500;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Children kept in memory that wait for a parent further on; of more the line is noted alone. */
const EARLY_MAX = 10_000;
const EARLY_BYTES_MAX = 64 * 1024 * 1024;
/** With more lines than these left behind, the journal goes no further. */
const LEFT_MAX = 10_000;
/** Refusals that are told one by one. */
const TOLD_MAX = 10;
const NO_PARENT = "a task that it waits for is not in the file, nor in the cluster";

type Target = Pick<AdminClient, "get" | "queue" | "submitMany">;

interface Entry {
  readonly line: number;
  readonly bytes: number;
  readonly task: TaskLine["submit"];
  /** Of the last refusal, where it is kept for later. */
  readonly why?: string;
}

export interface ImportOptions {
  readonly target: Target;
  readonly file: CheckedFile;
  readonly wording: Omit<Wording, "idOf">;
  /** When it first began, and what was done by then. */
  readonly begun: Progress;
  readonly now: () => number;
  /** Undefined: nothing is sent and nothing is written, only counted. */
  readonly journal: Journal | undefined;
}

/** The cluster cannot take it now: what is done is done, and the rest may be tried again. */
export class ImportStopped extends Error {
  override readonly name = "ImportStopped";
  readonly status: number;

  constructor(cause: TqError) {
    super(cause.message, { cause });
    this.status = explain(cause).status;
  }
}

export class Importer {
  readonly #options: ImportOptions;
  readonly #wording: Wording;
  readonly #aliases = new Aliases();
  /** The first refusals, with their lines. */
  readonly told: string[] = [];
  #tally: Tally;
  #place: Place;
  /** Lines up to there that are not made. */
  readonly #left: LineSet;
  /** What an earlier run has left. */
  readonly #leftBefore: LineSet;
  #batch: Entry[] = [];
  #batchBytes = 0;
  #early: Entry[] = [];
  #earlyBytes = 0;
  /** Children like those, by their lines alone. */
  #later = new LineSet();

  constructor(options: ImportOptions) {
    const { begun, wording } = options;
    this.#options = options;
    this.#wording = { ...wording, idOf: (id) => this.#aliases.of(id) };
    this.#place = begun.place;
    this.#left = new LineSet(begun.left);
    this.#leftBefore = new LineSet(begun.left);
    // They are sent again, and counted again.
    this.#tally = { ...begun.tally, refused: 0, queues_refused: 0 };
  }

  get tally(): Tally {
    return this.#tally;
  }

  /** Is there something to do about this line? */
  wants(line: number): boolean {
    return line > this.#options.begun.place.number || this.#leftBefore.has(line);
  }

  /** Before the tasks: nothing of a paused queue is to begin, and no limit is in the way. */
  async openQueue(line: QueueLine, at: number): Promise<void> {
    if (!this.#isOurs(at)) return;
    this.#left.delete(at);
    await this.#onQueue(line, at, importPaused);
  }

  /** Behind the tasks: all of it as it was. */
  async closeQueue(line: QueueLine, at: number): Promise<void> {
    if (this.#isOurs(at) && !this.#left.has(at)) await this.#onQueue(line, at, importSettings);
  }

  /** `place`: of the end of its line. */
  async add(line: TaskLine, bytes: number, place: Place): Promise<void> {
    if (this.#isOver(line, place.number)) return;
    await this.#push({ line: place.number, bytes, task: line.submit }, place);
  }

  /** Sends what is left, and children again for as long as some of them find their parents. */
  async finish(place: Place): Promise<void> {
    await this.#sendBatch();
    await this.#sendEarly();
    for (let before = -1; this.#later.size > 0 && this.#waiting !== before; ) {
      before = this.#waiting;
      await this.#sendLater();
      await this.#sendEarly();
    }
    for (const { line, why = NO_PARENT } of this.#early.splice(0)) this.#refuse(line, why);
    for (const line of this.#later) this.#refuse(line, NO_PARENT);
    await this.#note(place);
  }

  /** The queues are closed. `place`: of the end of the file. */
  async settle(place: Place): Promise<void> {
    await this.#note(place, true);
  }

  get #waiting(): number {
    return this.#early.length + this.#later.size;
  }

  /** Whoever has the queues of a finished import may have changed them since. */
  #isOurs(line: number): boolean {
    return !this.#options.begun.settled || this.#leftBefore.has(line);
  }

  async #onQueue(
    line: QueueLine,
    at: number,
    change: (target: Target, line: QueueLine, nameOf: Wording["nameOf"]) => Promise<void>,
  ): Promise<void> {
    const { target, wording, journal } = this.#options;
    if (journal === undefined) return;
    try {
      await change(target, line, wording.nameOf);
    } catch (error) {
      if (!(error instanceof TqError)) throw error;
      if (error.retryable) throw new ImportStopped(error);
      this.#count("queues_refused");
      this.#tell(at, `queue ${line.name}: ${error.code}: ${error.message}`);
    }
  }

  #isOver({ submit, was }: TaskLine, line: number): boolean {
    const { now } = this.#options;
    const isExpired = submit.expires_at !== undefined && Date.parse(submit.expires_at) <= now();
    if (was.finished_at === undefined && !isExpired) return false;
    this.#left.delete(line);
    this.#count(was.finished_at === undefined ? "expired" : "finished");
    return true;
  }

  async #push(entry: Entry, place?: Place): Promise<void> {
    this.#batch.push(entry);
    this.#batchBytes += entry.bytes;
    if (this.#batch.length < BATCH_TASKS && this.#batchBytes < BATCH_BYTES) return;
    await this.#sendBatch();
    if (place !== undefined) await this.#note(place);
  }

  async #sendBatch(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    await this.#send(batch);
  }

  async #sendEarly(): Promise<void> {
    for (let before = -1; this.#early.length > 0 && this.#early.length !== before; ) {
      before = this.#early.length;
      const early = this.#early.splice(0);
      this.#earlyBytes = 0;
      for (let at = 0; at < early.length; at += BATCH_TASKS) {
        await this.#send(early.slice(at, at + BATCH_TASKS));
      }
    }
  }

  /** Another pass over the file. */
  async #sendLater(): Promise<void> {
    const { path } = this.#options.file;
    const lines = this.#later;
    this.#later = new LineSet();
    this.#earlyBytes = 0;
    for (const { line } of this.#early.splice(0)) lines.add(line);
    for await (const line of readLines(path)) {
      if (!lines.has(line.number)) continue;
      const parsed = parsedLine(path, line);
      if (parsed.kind !== "task") continue;
      await this.#push({ line: line.number, bytes: line.text.length, task: parsed.submit });
    }
    await this.#sendBatch();
  }

  async #send(batch: readonly Entry[]): Promise<void> {
    const { target, journal } = this.#options;
    if (journal === undefined) {
      this.#count("made", batch.length);
      return;
    }
    if (batch.length === 0) return;
    const items: Item[] = batch.map(({ task }) => toItem(task, this.#wording));
    const outcomes = await target.submitMany(items);
    const repeated: { readonly id: string; readonly state: string }[] = [];
    let stopped: TqError | undefined;
    for (const [i, outcome] of outcomes.entries()) {
      const entry = batch[i]!;
      if (outcome instanceof TqError) {
        if (outcome.retryable) stopped = outcome;
        else this.#onRefusal(entry, outcome);
        continue;
      }
      this.#left.delete(entry.line);
      this.#aliases.add(items[i]!.options.id!, outcome.id);
      if (outcome.duplicate) repeated.push(outcome);
      else this.#count("made");
    }
    const live = await liveAmong(target, repeated);
    this.#count("duplicate", live);
    this.#count("ended", repeated.length - live);
    if (stopped !== undefined) throw new ImportStopped(stopped);
  }

  #onRefusal(entry: Entry, error: TqError): void {
    if (error.code === "idempotency_mismatch" && this.#wording.ids.keepsAll) {
      this.#left.delete(entry.line);
      this.#count("known");
      return;
    }
    const said = `${error.code}: ${inWordsOfFile(error.message)}`;
    // Known by its key, it waits for parents whose ids are not known yet.
    const isChild = error.code === "idempotency_mismatch" && entry.task.depends_on !== undefined;
    if (error.code !== "not_found" && !isChild) {
      this.#refuse(entry.line, said);
    } else {
      this.#left.add(entry.line);
      const hasRoom = this.#early.length < EARLY_MAX && this.#earlyBytes < EARLY_BYTES_MAX;
      if (!hasRoom) this.#later.add(entry.line);
      else {
        this.#early.push({ ...entry, why: isChild ? said : NO_PARENT });
        this.#earlyBytes += entry.bytes;
      }
    }
  }

  #refuse(line: number, why: string): void {
    this.#count("refused");
    this.#tell(line, why);
  }

  #tell(line: number, why: string): void {
    this.#left.add(line);
    const { path } = this.#options.file;
    if (this.told.length < TOLD_MAX) this.told.push(printable(`${path}:${line}: ${why}`));
  }

  #count(what: keyof Tally, by = 1): void {
    this.#tally = { ...this.#tally, [what]: this.#tally[what] + by };
  }

  /** Other ids of parents are in memory alone: for as long as they matter, it goes no further. */
  async #note(place: Place, settled = this.#options.begun.settled): Promise<void> {
    const { journal, begun } = this.#options;
    const isKept = this.#aliases.size > 0 && !(settled && this.#left.size === 0);
    if (isKept || this.#left.size > LEFT_MAX) {
      if (settled !== begun.settled) await journal?.write({ ...begun, settled });
      return;
    }
    if (place.number > this.#place.number) this.#place = place;
    const done = { place: this.#place, tally: this.#tally, left: [...this.#left] };
    await journal?.write({ ...begun, ...done, settled });
  }
}

/** An import that begins: `at` is what ids are derived from. */
export function beginning(
  begun: Pick<Progress, "sha256" | "at" | "names" | "settled">,
  place: Place,
): Progress {
  return { ...begun, place, left: [], tally: NO_TALLY };
}
