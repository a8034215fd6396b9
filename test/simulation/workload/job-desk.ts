/**
 * The leader's part in jobs, around what the product's job runner does: whoever takes itself for
 * the leader looks up the jobs in its own state, finds the next tasks behind their cursor in the
 * order of ids, and proposes one step for them. So a job goes on with the next leader where the
 * former one left it, and what a deposed leader says late is on its way all the same.
 */
import type { Command, JobView } from "../../../packages/broker/src/queue/index.ts";
import { isFinal, type LedgerTask } from "../checkers/ledger-task.ts";
import { idText } from "../checkers/model.ts";
import type { SimulatedNode } from "../node.ts";
import type { Random } from "../random.ts";
import type { Arena } from "./arena.ts";

const LOOK_MS = 400;
/** Small ones, so that a job has several. */
const STEP_TASKS_MAX = 4;
const NOWHERE = new Uint8Array(0);
/** Share of steps that are said a second time, by another node, and perhaps much later. */
const COPY_RATE = 0.3;

export class JobDesk {
  readonly #arena: Arena;
  readonly #random: Random;
  readonly #again: (command: Command) => void;

  /** `again`: somebody sends a command until it has been answered. */
  constructor(arena: Arena, random: Random, again: (command: Command) => void) {
    this.#arena = arena;
    this.#random = random;
    this.#again = again;
    this.#look();
  }

  /** No job is under way. */
  get isIdle(): boolean {
    const leader = this.#arena.leader()?.replica;
    return leader !== undefined && underWay(leader.queue.jobs()).length === 0;
  }

  #look(): void {
    this.#arena.time.after(this.#random.exponential(LOOK_MS), () => {
      for (const node of this.#arena.nodes) if (node.leads) this.#round(node);
      this.#look();
    });
  }

  #round(node: SimulatedNode): void {
    for (const job of underWay(node.replica!.queue.jobs())) {
      const command = this.#nextStep(job);
      const { promises } = this.#arena.inspector;
      node.input((replica) => {
        replica.request(command, (outcome) => promises.answered(command, outcome));
      });
      const isCopied = !this.#arena.isOver && this.#random.chance(COPY_RATE);
      if (!isCopied) continue;
      this.#arena.time.after(this.#random.between(0, 2 * LOOK_MS), () => this.#again(command));
    }
  }

  #nextStep(job: JobView): Command {
    const { id, steps, cursor } = job;
    const after = cursor.length === 0 ? "" : idText(cursor);
    const found = [...this.#arena.inspector.ledger.tasks]
      .filter(([key, task]) => key > after && isFor(job, task))
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .slice(0, STEP_TASKS_MAX)
      .map(([, { submit }]) => submit.id);
    const isLast = found.length < STEP_TASKS_MAX;
    return {
      type: "stepJob",
      id,
      step: steps,
      tasks: found,
      cursor: isLast ? NOWHERE : found.at(-1)!,
    };
  }
}

function underWay(jobs: readonly JobView[]): readonly JobView[] {
  return jobs.filter(({ state }) => state === "running");
}

function isFor({ kind, filter }: JobView, task: LedgerTask): boolean {
  if (task.queue !== filter.queue || task.deleted) return false;
  if (kind === "cancel") return !isFinal(task);
  return isFinal(task) && (kind === "delete" || task.state !== "completed");
}
