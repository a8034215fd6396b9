/**
 * The disk of one node: hard state, log and state records, each with its own latency. What is in
 * the fields is durable; what is still being written is lost in a crash, or, like on a real disk,
 * turns out to have made it. Writes are atomic, and none overtakes another of its kind.
 */
import type { Entry, EntryId, HardState, PersistBatch } from "task-queue-raft";
import type { Flush, KeyRange } from "../../packages/broker/src/queue/index.ts";
import type { FlushMark } from "../../packages/broker/src/replica/index.ts";
import type { DiskOptions, Range } from "./options.ts";
import type { Random } from "./random.ts";
import type { Situations } from "./situations.ts";
import { demand } from "./violation.ts";
import type { VirtualTime } from "./virtual-time.ts";

interface FlushWrite {
  readonly flush: Flush;
  readonly mark: FlushMark;
}

interface LogStep {
  readonly kind: "log";
  readonly truncateFrom: number | undefined;
  readonly entries: readonly Entry[];
}

/** One write of a group; each is atomic. */
type Step = { readonly kind: "hardState"; readonly hardState: HardState } | LogStep;

/** What a running disk tells: a group of batches became durable. */
type Persisted = (batches: readonly PersistBatch[]) => void;

const BEFORE_LOG: EntryId = { term: 0, index: 0 };

export class Disk {
  hardState: HardState = { term: 0, vote: undefined };
  readonly log: Entry[] = [];
  mark: FlushMark;
  /** Hears of each write as it begins; `delicate`: of a hard state, or right behind one. */
  watch: ((delicate: boolean) => void) | undefined;
  readonly #records = new Map<string, readonly [Uint8Array, Uint8Array]>();
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #options: DiskOptions;
  readonly #situations: Situations;
  #life = 0;
  #stalledUntil = 0;
  #waiting: PersistBatch[] = [];
  /** What the group under way still has to write, the step being written first. */
  #steps: Step[] = [];
  /** The hard state of this group is on the disk already. */
  #hardStateSaved = false;
  #flushing: FlushWrite | undefined;

  constructor(
    time: VirtualTime,
    random: Random,
    options: DiskOptions,
    situations: Situations,
    membership: Uint8Array,
  ) {
    this.#time = time;
    this.#random = random;
    this.#options = options;
    this.#situations = situations;
    this.mark = { applied: 0, logDurable: BEFORE_LOG, membership };
  }

  get last(): EntryId {
    return this.log[this.log.length - 1] ?? BEFORE_LOG;
  }

  get isFlushing(): boolean {
    return this.#flushing !== undefined;
  }

  /** The term of a durable entry; 0 before the log, undefined behind it. */
  termAt(index: number): number | undefined {
    return index === 0 ? 0 : this.log[index - 1]?.term;
  }

  /** Everything takes until `ms` from now at the least. */
  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.#time.now + ms);
  }

  /** Faults are over: operations under way stay as slow as they are. */
  recover(): void {
    this.#stalledUntil = 0;
  }

  // ---- log and hard state ----

  persist(batches: readonly PersistBatch[], persisted: Persisted): void {
    if (batches.length === 0) return;
    this.#waiting.push(...batches);
    if (this.#steps.length === 0) this.#writeGroup(persisted);
    else this.#situations.hit("write waits for the disk");
  }

  /** Everything that waits goes together: the newest hard state, then the log cut by cut. */
  #writeGroup(persisted: Persisted): void {
    const group = this.#waiting;
    if (group.length === 0) return;
    this.#waiting = [];
    if (group.length > 1) this.#situations.hit("writes share a sync");
    this.#steps = stepsOf(group);
    this.#hardStateSaved = false;
    this.#writeStep(() => {
      persisted(group);
      this.#writeGroup(persisted);
    });
  }

  #writeStep(done: () => void): void {
    const step = this.#steps[0];
    if (step === undefined) {
      done();
      return;
    }
    this.watch?.(step.kind === "hardState" || this.#hardStateSaved);
    const { hardStateMs, appendMs } = this.#options;
    this.#take(step.kind === "hardState" ? hardStateMs : appendMs, () => {
      this.#save(step);
      this.#steps.shift();
      this.#writeStep(done);
    });
  }

  #save(step: Step): void {
    if (step.kind === "hardState") {
      this.#saveHardState(step.hardState);
      this.#hardStateSaved = true;
    } else {
      this.#saveLog(step);
    }
  }

  #saveHardState(hardState: HardState): void {
    demand(hardState.term >= this.hardState.term, "monotone term", () => {
      return `term ${hardState.term} is written over term ${this.hardState.term}`;
    });
    const { term, vote } = this.hardState;
    const sameTerm = hardState.term === term;
    demand(!sameTerm || vote === undefined || vote === hardState.vote, "vote stability", () => {
      return `in term ${term} the vote for ${vote} becomes one for ${hardState.vote}`;
    });
    this.hardState = hardState;
  }

  #saveLog({ truncateFrom, entries }: LogStep): void {
    if (truncateFrom !== undefined && truncateFrom <= this.log.length) {
      this.log.length = truncateFrom - 1;
      this.#situations.hit("suffix of the log truncated");
    }
    for (const entry of entries) {
      demand(entry.index === this.log.length + 1, "contiguous log", () => {
        return `entry ${entry.index} is written behind ${this.log.length}`;
      });
      this.log.push(entry);
    }
  }

  /** Reads what is durable now; it arrives later, when it may be outdated. */
  readLog(
    from: number,
    maxBytes: number,
    done: (prev: EntryId, entries: readonly Entry[]) => void,
  ): void {
    const prev = this.log[from - 2] ?? BEFORE_LOG;
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= this.log.length; index++) {
      const entry = this.log[index - 1]!;
      bytes += entry.data.length;
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push(entry);
    }
    this.#take(this.#options.readMs, () => done({ term: prev.term, index: prev.index }, entries));
  }

  // ---- state records ----

  get(key: string): Uint8Array | undefined {
    return this.#records.get(key)?.[1];
  }

  load(key: string, done: (value: Uint8Array | undefined) => void): void {
    this.#take(this.#options.readMs, () => done(this.get(key)));
  }

  /** In key order. */
  scan(range: KeyRange): (readonly [Uint8Array, Uint8Array])[] {
    const from = keyText(range.gte);
    const to = keyText(range.lt);
    const keys = [...this.#records.keys()].filter((key) => key >= from && key < to).sort();
    return keys.map((key) => this.#records.get(key)!);
  }

  flush(flush: Flush, mark: FlushMark, done: () => void): void {
    demand(this.#flushing === undefined, "one flush", () => "a flush starts during another");
    demand(this.termAt(mark.applied) !== undefined, "flush behind log", () => {
      return `state at ${mark.applied} is flushed, the log is durable to ${this.log.length}`;
    });
    this.#flushing = { flush, mark };
    this.#take(this.#options.flushMs, () => {
      this.#saveFlush();
      done();
    });
  }

  #saveFlush(): void {
    const { flush, mark } = this.#flushing!;
    this.#flushing = undefined;
    for (const { key, value } of flush.writes) {
      if (value === undefined) this.#records.delete(keyText(key));
      else this.#records.set(keyText(key), [key, value]);
    }
    this.mark = mark;
  }

  // ---- crash ----

  /** Whatever was under way is lost, or made it to the disk and nobody heard of it. */
  crash(): void {
    this.#life++;
    this.#stalledUntil = 0;
    this.#waiting = [];
    this.#crashWhileWriting(this.#steps);
    this.#steps = [];
    if (this.#flushing === undefined) return;
    if (this.#random.chance(0.5)) {
      this.#saveFlush();
      this.#situations.hit("flush survived a crash unheard");
    } else {
      this.#flushing = undefined;
      this.#situations.hit("flush lost in a crash");
    }
  }

  #crashWhileWriting([step, next]: readonly Step[]): void {
    if (step === undefined) return;
    const hasSurvived = this.#random.chance(0.5);
    if (hasSurvived) this.#save(step);
    const fate = hasSurvived ? "survived a crash unheard" : "lost in a crash";
    this.#situations.hit(`${step.kind} write ${fate}`);
    const logLeft = step.kind === "log" ? !hasSurvived : next !== undefined;
    if (this.#hardStateSaved && logLeft) this.#situations.hit("crash between hard state and log");
  }

  #take(range: Range, action: () => void): void {
    const { stallRate, stallMs } = this.#options;
    const stalled = this.#random.chance(stallRate) ? this.#random.between(0, stallMs) : 0;
    const takes = this.#random.between(range.min, range.max) + stalled;
    const delay = Math.max(takes, this.#stalledUntil - this.#time.now);
    const life = this.#life;
    this.#time.after(delay, () => {
      if (life === this.#life) action();
    });
  }
}

/** Consecutive batches join into one atomic change of the log, as far as truncations allow. */
function stepsOf(group: readonly PersistBatch[]): Step[] {
  const steps: Step[] = [];
  const hardState = group.findLast((batch) => batch.hardState !== undefined)?.hardState;
  if (hardState !== undefined) steps.push({ kind: "hardState", hardState });
  let open:
    | { readonly kind: "log"; truncateFrom: number | undefined; entries: Entry[] }
    | undefined;
  for (const { truncateFrom, entries } of group) {
    if (entries.length === 0 && truncateFrom === undefined) continue;
    if (open === undefined || truncateFrom !== undefined) {
      open = { kind: "log", truncateFrom, entries: [...entries] };
      steps.push(open);
    } else {
      open.entries.push(...entries);
    }
  }
  return steps;
}

/** Key bytes as a string of the same order. */
export function keyText(key: Uint8Array): string {
  return String.fromCharCode.apply(null, key as unknown as number[]);
}
