/**
 * An application that uses a cluster in every way while a test does things to it: submits, workers
 * and readers around one ledger. What it saw is judged by `audit.ts`.
 */
import { createWorker } from "task-queue-worker";
import { Ledger } from "./ledger.ts";
import { type Front, type TestCluster, waitFor } from "./processes.ts";
import { type Readers, readTasks } from "./readers.ts";
import { dialOf, type Submitter, submitTasks } from "./submitter.ts";

export const PER_SECOND = 200;
const CONCURRENCY = 32;
/** Before the first fault there must be something to lose. */
const WARM_UP = 200;

export class Traffic {
  readonly ledger = new Ledger();
  readonly #cluster: TestCluster;
  readonly #worker: ReturnType<typeof createWorker>;
  readonly #submitter: Submitter;
  readonly #readers: Readers;

  private constructor(cluster: TestCluster, perSecond: number, front: Front) {
    this.#cluster = cluster;
    this.#worker = createWorker({
      servers: front.servers,
      ...dialOf(front),
      queues: ["work"],
      concurrency: CONCURRENCY,
      handlers: {
        work: (payload: { n: number }, ctx: { id: string; token: number | bigint }) => {
          const submission = this.ledger.submissions.get(ctx.id);
          if (submission?.n !== payload.n) this.ledger.note(`a worker was given ${ctx.id} as it`);
          submission?.runs.push(String(ctx.token));
          return { n: payload.n };
        },
      },
    });
    this.#submitter = submitTasks(front, this.ledger, perSecond);
    this.#readers = readTasks(cluster, this.ledger);
  }

  /** Resolves when some submits have been acknowledged. `front`: what it goes through. */
  static async begin(
    cluster: TestCluster,
    perSecond = PER_SECOND,
    front: Front = cluster,
  ): Promise<Traffic> {
    const traffic = new Traffic(cluster, perSecond, front);
    await traffic.#worker.start();
    await waitFor("the first tasks", () => traffic.ledger.acknowledged.length >= WARM_UP);
    return traffic;
  }

  /** Resolves when `count` more submits have been acknowledged. */
  async flow(count: number): Promise<void> {
    const { acknowledged } = this.ledger;
    const from = acknowledged.length;
    await waitFor(`${count} more tasks`, () => acknowledged.length >= from + count);
  }

  /** Submits nothing while `act` runs, which begins when the workers have finished all there is. */
  async standStill(act: () => Promise<void>): Promise<void> {
    this.#submitter.isHeld = true;
    try {
      await waitFor("all work finished", () => nothingToDo(this.#cluster));
      await act();
    } finally {
      this.#submitter.isHeld = false;
    }
  }

  /** No more submits and reads; resolves when the workers have finished all there is to do. */
  async end(): Promise<void> {
    await this.#submitter.stop();
    await this.#readers.stop();
    const limitMs = 180_000;
    await waitFor("all work finished", () => nothingToDo(this.#cluster), limitMs);
    await this.#worker.stop();
  }

  /** Ends at once, whatever is left to do: for a test that has failed. */
  async abandon(): Promise<void> {
    await Promise.all([this.#submitter.stop(), this.#readers.stop(), this.#worker.stop()]);
  }
}

/** No task of the workers' queue is unfinished, says a linearizable read. */
async function nothingToDo(cluster: TestCluster): Promise<boolean> {
  const node = cluster.running[0];
  if (node === undefined) return false;
  for (const status of ["pending", "running", "retrying", "scheduled"]) {
    const path = `/api/v1/tasks?queue=work&status=${status}&limit=1`;
    const answer = await node.get<{ tasks?: unknown[] }>(path).catch(() => undefined);
    if (answer?.status !== 200 || answer.body.tasks?.length !== 0) return false;
  }
  return true;
}
