/**
 * Carries on the jobs of the cluster while this node leads: finds the next tasks of each, and has
 * them changed by commands, some tasks at a time. Where a job stands is in the replicated state, so
 * the next leader goes on from there; what two leaders propose at once is done once, because each
 * step says which one it is.
 */
import type { Broker } from "../operations/broker.ts";
import { toTaskFilter } from "../operations/jobs.ts";
import { type Command, JOB_STEP_MAX, type JobView, type TaskId } from "../queue/index.ts";
import { JOB_STEPS_AT_ONCE } from "./limits.ts";

export type JobBroker = Pick<Broker, "jobs" | "job" | "listFinished" | "listLive" | "request">;

/** Before the id of the task that was looked at last. */
const CURSOR_VERSION = 1;
const NOWHERE = new Uint8Array(0);

export class JobRunner {
  readonly #broker: JobBroker;
  readonly #now: () => number;
  /** When the next tasks of a job may be changed, by its id; only of those with a rate. */
  #notBefore = new Map<string, number>();

  /** `now`: milliseconds of a monotonic clock. */
  constructor(broker: JobBroker, now: () => number) {
    this.#broker = broker;
    this.#now = now;
  }

  /** One round for each job under way. Resolves with false when there was nothing to do now. */
  async round(): Promise<boolean> {
    const running = this.#broker.jobs().filter(({ state }) => state === "running");
    const known = new Set(running.map(keyOf));
    for (const key of this.#notBefore.keys()) if (!known.has(key)) this.#notBefore.delete(key);
    let worked = false;
    for (const job of running) {
      if (running.some((other) => goesBefore(other, job))) continue;
      if (this.#now() < (this.#notBefore.get(keyOf(job)) ?? 0)) continue;
      worked = (await this.#carryOn(job)) || worked;
    }
    return worked;
  }

  /** False when a step was refused: somebody else has done it, or it cannot be done now. */
  async #carryOn(job: JobView): Promise<boolean> {
    const { perSecond } = job;
    const most = JOB_STEP_MAX * JOB_STEPS_AT_ONCE;
    const limit = perSecond === 0 ? most : Math.min(most, Math.max(1, perSecond));
    const began = this.#now();
    const { tasks, next } = await this.#find(job, limit);
    const ids = tasks.map(({ id }) => id);
    if (perSecond > 0) {
      this.#notBefore.set(keyOf(job), began + (ids.length / perSecond) * 1_000);
    }
    // It may have been called off, or carried on by another leader, while it was being looked for.
    const now = this.#broker.job(job.id);
    if (now === undefined || now.state !== "running" || now.steps !== job.steps) return false;
    const outcomes = await Promise.all(
      stepsOf(job, ids, next).map((command) => this.#propose(command)),
    );
    return outcomes.every((isDone) => isDone);
  }

  /** In the order in which they will be found by the next leader too. */
  async #find({ kind, filter, cursor }: JobView, limit: number) {
    const after = cursor.length === 0 ? undefined : cursor.subarray(1);
    const wanted = toTaskFilter(filter);
    if (kind === "cancel") return this.#broker.listLive(wanted, after, limit);
    return this.#broker.listFinished(wanted, after, limit);
  }

  #propose(command: Command): Promise<boolean> {
    return new Promise((resolve) => {
      this.#broker.request(command, (outcome) => {
        resolve(outcome.kind === "applied" && outcome.reply.code === "ok");
      });
    });
  }
}

/** What one cancels the other is to delete: so a queue is purged in one go. */
function goesBefore(one: JobView, other: JobView): boolean {
  if (one.kind !== "cancel" || other.kind !== "delete") return false;
  if (one.startedAt > other.startedAt) return false;
  return JSON.stringify(toTaskFilter(one.filter)) === JSON.stringify(toTaskFilter(other.filter));
}

/** One command for some tasks each; the last one says where it goes on, or that it is done. */
function stepsOf(job: JobView, ids: readonly TaskId[], next: TaskId | undefined): Command[] {
  const commands: Command[] = [];
  let step = job.steps;
  for (let at = 0; at === 0 || at < ids.length; at += JOB_STEP_MAX) {
    const tasks = ids.slice(at, at + JOB_STEP_MAX);
    const isLast = at + JOB_STEP_MAX >= ids.length;
    const position = isLast ? next : tasks.at(-1);
    commands.push({ type: "stepJob", id: job.id, step, tasks, cursor: toCursor(position) });
    step++;
  }
  return commands;
}

function toCursor(position: TaskId | undefined): Uint8Array {
  return position === undefined ? NOWHERE : Uint8Array.of(CURSOR_VERSION, ...position);
}

function keyOf({ id }: JobView): string {
  return Buffer.from(id).toString("hex");
}
