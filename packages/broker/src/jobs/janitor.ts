/**
 * Retention, carried out by the leader: walks through the finished tasks in the order of their ids,
 * then through tombstones and keys, at a bounded rate, and proposes what has been kept long enough
 * in small commands. Nothing is remembered between two leaders; whatever is proposed is looked at
 * again when it is applied, so a walk may start anew at any time.
 */
import type { Broker } from "../operations/broker.ts";
import type { StateStore } from "../ports.ts";
import {
  type Command,
  decodeFinished,
  decodeLeftOver,
  EXPUNGE_MAX,
  type Expunge,
  type FinishedSummary,
  FORGET_MAX,
  type HistoryFilter,
  idOfFinishedKey,
  type LeftOver,
  type LeftOverKind,
  leftOverRange,
  type QueueMachine,
  type QueueView,
  type TaskId,
} from "../queue/index.ts";
import {
  RETENTION_COMMANDS_AT_ONCE,
  RETENTION_PAUSE_MS,
  RETENTION_ROWS_PER_SECOND,
  RETENTION_SLICE_ROWS,
  RETENTION_SURVEY_MS,
  RETENTION_UNFLUSHED_MS,
} from "./limits.ts";
import {
  type Excess,
  excessOf,
  newestEnd,
  type RetentionRules,
  rulesOf,
  whatGoes,
} from "./retention-rules.ts";

export interface JanitorOptions {
  readonly broker: Pick<Broker, "request" | "clock">;
  /** Both are others after a snapshot was installed. */
  readonly owner: {
    readonly replica: { readonly queue: QueueMachine };
    readonly state: Pick<StateStore, "scan">;
  };
  /** Of the configuration; 0 = for ever. */
  readonly ageMs: number;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/** Since this process started; see the metrics. */
export interface RetentionFigures {
  tasks: number;
  results: number;
  logs: number;
  forgotten: number;
}

/** All queues as they were a moment ago. */
interface Survey {
  readonly at: number;
  readonly rules: RetentionRules;
  /** Names of those that had more than they may keep. */
  readonly full: readonly string[];
}

const KINDS: readonly LeftOverKind[] = ["tombstone", "idempotency", "unique"];
const FIGURES = { task: "tasks", result: "results", log: "logs" } as const;
const FIRST_ID = new Uint8Array(16);
const GONE_MAX = EXPUNGE_MAX * RETENTION_COMMANDS_AT_ONCE;

export class Janitor {
  readonly figures: RetentionFigures = { tasks: 0, results: 0, logs: 0, forgotten: 0 };
  readonly #options: JanitorOptions;
  #last: Survey | undefined;
  #notBefore = 0;
  #walkNotBefore = 0;
  #trimNotBefore = 0;
  #isTrimsTurn = false;
  /** Where the walk is: in the history, or among the left overs of one kind. */
  #stage = 0;
  #after: Uint8Array | undefined;
  /** The same of queues that have more than they may keep, by name. */
  readonly #afterOf = new Map<string, TaskId>();

  constructor(options: JanitorOptions) {
    this.#options = options;
  }

  /** One slice. Resolves with false when it is not time, or nothing was to go. */
  async round(): Promise<boolean> {
    const { now } = this.#options;
    const began = now();
    if (began < this.#notBefore || this.#queue.version < 3) return false;
    const mayWalk = began >= this.#walkNotBefore;
    const full = began >= this.#trimNotBefore ? this.#fullQueue() : undefined;
    if (full === undefined && !mayWalk) return false;
    // A queue that is always full must not keep the others from growing old.
    this.#isTrimsTurn = full !== undefined && (!mayWalk || !this.#isTrimsTurn);
    let rows: number;
    if (full !== undefined && this.#isTrimsTurn) rows = await this.#trim(full);
    else rows = await this.#walk();
    this.#notBefore = began + (rows / RETENTION_ROWS_PER_SECOND) * 1_000;
    return true;
  }

  /** One that has too much, as it is now. */
  #fullQueue(): QueueView | undefined {
    for (const name of this.#survey().full) {
      const view = this.#queue.queue(name);
      if (view !== undefined && excessOf(view) !== undefined) return view;
    }
    return undefined;
  }

  #survey(): Survey {
    const now = this.#options.now();
    if (this.#last !== undefined && now - this.#last.at < RETENTION_SURVEY_MS) return this.#last;
    const views = this.#queue.queues();
    const full = views.filter((view) => excessOf(view) !== undefined).map(({ name }) => name);
    this.#last = { at: now, rules: rulesOf(this.#options.ageMs, views), full };
    return this.#last;
  }

  get #queue(): QueueMachine {
    return this.#options.owner.replica.queue;
  }

  /** The next slice of the walk; how many records it read. */
  async #walk(): Promise<number> {
    const kind = KINDS[this.#stage - 1];
    const rows = kind === undefined ? await this.#age() : await this.#forget(kind);
    if (this.#after !== undefined) return rows;
    this.#stage = (this.#stage + 1) % (KINDS.length + 1);
    if (this.#stage === 0) this.#walkNotBefore = this.#options.now() + RETENTION_PAUSE_MS;
    return rows;
  }

  async #age(): Promise<number> {
    const clock = this.#options.broker.clock();
    const { rules } = this.#survey();
    const newest = newestEnd(rules, clock);
    if (newest === undefined) {
      this.#after = undefined;
      return 0;
    }
    const slice = await this.#slice(this.#after, { finishedTo: newest + 1 });
    const gone = new Map<Expunge["what"], FinishedSummary[]>();
    for (const task of slice.tasks) {
      const what = whatGoes(rules, task, clock);
      if (what !== undefined) gone.set(what, [...(gone.get(what) ?? []), task]);
    }
    for (const [what, tasks] of gone) await this.#expunge(what, tasks);
    this.#after = slice.next;
    return slice.rows;
  }

  /** The oldest tasks of a queue that has too many, or too many bytes, by the order of ids. */
  async #trim(view: QueueView): Promise<number> {
    const { name } = view;
    const left: Excess = excessOf(view) ?? { tasks: 0, bytes: 0 };
    const slice = await this.#slice(this.#afterOf.get(name), { queue: name });
    const gone: FinishedSummary[] = [];
    for (const task of slice.tasks) {
      if (task.queue !== name || task.state === "dead") continue;
      if (left.tasks <= 0 && left.bytes <= 0) break;
      if (gone.length === GONE_MAX) break;
      // What is older than the count of bytes does not weigh.
      if (left.tasks <= 0 && task.historyBytes === 0) continue;
      gone.push(task);
      left.tasks--;
      left.bytes -= task.historyBytes;
    }
    await this.#expunge("task", gone);
    const last = gone.length === GONE_MAX ? gone.at(-1)!.id : slice.next;
    if (last === undefined) this.#afterOf.delete(name);
    else this.#afterOf.set(name, last);
    // Nothing was found although there should be: what is there is not flushed yet.
    if (last === undefined && gone.length === 0) {
      this.#trimNotBefore = this.#options.now() + RETENTION_UNFLUSHED_MS;
    }
    return slice.rows;
  }

  async #forget(kind: LeftOverKind): Promise<number> {
    const clock = this.#options.broker.clock();
    const { scan } = this.#scanner();
    const rows = await scan(leftOverRange(kind, this.#after));
    const over = rows
      .map(([key, value]) => decodeLeftOver(kind, key, value))
      .filter((each) => each.until <= clock && this.#isForgettable(kind, each.id));
    for (let at = 0; at < over.length; at += FORGET_MAX) {
      const some = over.slice(at, at + FORGET_MAX);
      if (await this.#propose(toForget(kind, some))) this.figures.forgotten += some.length;
    }
    this.#after = rows.length < RETENTION_SLICE_ROWS ? undefined : rows.at(-1)![0];
    return rows.length;
  }

  /** A key goes with its task, an idempotency key not before the last trace of it. */
  #isForgettable(kind: LeftOverKind, id: TaskId): boolean {
    if (kind === "tombstone") return true;
    const task = this.#queue.task(id);
    return task === undefined || (kind === "unique" && task.finishedAt > 0);
  }

  /** Finished tasks beyond an id; `next`: where to go on, undefined at the end. */
  async #slice(after: TaskId | undefined, filter: HistoryFilter) {
    const from = this.#queue.skipTo(after ?? FIRST_ID, filter);
    if (from === undefined) return { tasks: [], rows: 0, next: undefined };
    const { scan } = this.#scanner();
    const range = this.#queue.historyRange(after);
    const first = this.#queue.historyRange(from);
    // The range begins behind an id, and the one to begin with belongs to it: see `successor`.
    const gte = Buffer.compare(from, after ?? FIRST_ID) > 0 ? first.gte.subarray(0, -1) : range.gte;
    const rows = await scan({ gte, lt: range.lt });
    const tasks = rows.map(([key, value]) => decodeFinished(key, value));
    const last = rows.at(-1);
    const isLast = rows.length < RETENTION_SLICE_ROWS || last === undefined;
    return { tasks, rows: rows.length, next: isLast ? undefined : idOfFinishedKey(last[0]) };
  }

  #scanner() {
    const { state } = this.#options.owner;
    return {
      scan: (range: { readonly gte: Uint8Array; readonly lt: Uint8Array }) =>
        state.scan(range, RETENTION_SLICE_ROWS),
    };
  }

  async #expunge(what: Expunge["what"], tasks: readonly FinishedSummary[]): Promise<void> {
    for (let at = 0; at < tasks.length; at += GONE_MAX) {
      const some = tasks.slice(at, at + GONE_MAX);
      const commands: Command[] = [];
      for (let from = 0; from < some.length; from += EXPUNGE_MAX) {
        const few = some.slice(from, from + EXPUNGE_MAX);
        const named = few.map(({ id, finishedAt }) => ({ id, finishedAt }));
        commands.push({ type: "expunge", what, tasks: named });
      }
      const done = await Promise.all(commands.map((command) => this.#propose(command)));
      if (done.every((isDone) => isDone)) this.figures[FIGURES[what]] += some.length;
      else return;
    }
  }

  #propose(command: Command): Promise<boolean> {
    return new Promise((resolve) => {
      this.#options.broker.request(command, (outcome) => {
        resolve(outcome.kind === "applied" && outcome.reply.code === "ok");
      });
    });
  }
}

function toForget(kind: LeftOverKind, some: readonly LeftOver[]): Command {
  const keys = some.map(({ queue, key }) => ({ queue, key }));
  return {
    type: "forget",
    tombstones: kind === "tombstone" ? some.map(({ id }) => id) : [],
    idempotencyKeys: kind === "idempotency" ? keys : [],
    uniqueKeys: kind === "unique" ? keys : [],
  };
}
