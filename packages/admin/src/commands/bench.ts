/**
 * `tq-admin bench`: how quickly this cluster takes tasks in and hands them out, seen from here. It
 * works on a queue of its own, which it deletes with all that is in it.
 */
import { randomBytes } from "node:crypto";
import type { ClusterJson } from "task-queue-client";
import { TqError } from "task-queue-client";
import type { Worker } from "task-queue-worker";
import type { Command, Context } from "../command.ts";
import { CliError, EXIT } from "../exit-status.ts";
import type { AdminClient } from "../io.ts";
import { Bench, type BenchOptions, type Figures, TYPE } from "../load/bench.ts";
import type { Summary } from "../load/latencies.ts";
import {
  CHECK_MS,
  CLEAR_MS,
  CLEAR_STALLED_MS,
  CONCURRENCY,
  COUNT,
  COUNT_MAX,
  OUTSTANDING,
  OUTSTANDING_MAX,
  RATE_MAX,
  SIZE,
  SIZE_MAX,
  SIZE_MIN,
  STALL_MS,
  SUBMIT_MS,
  TIMEOUT_MS,
  WORKER_MS,
} from "../load/limits.ts";
import { startOwnWorker } from "../load/own-worker.ts";
import { ProgressLine, progressBar } from "../output/progress.ts";
import { flagged, oneOf, PRIORITIES, text, whole, wrong } from "../values.ts";

export const bench: Command = {
  usage: "bench",
  summary: "Measure how quickly this cluster takes tasks in and hands them out",
  examples: [
    ["tq-admin bench", `${COUNT} tasks of ${SIZE} bytes, ${OUTSTANDING} at a time`],
    ["tq-admin bench --count 2000 --rate 1000 --priority low", "beside the work of others"],
    ["tq-admin bench --submit-only --outstanding 1", "what one submit takes"],
  ],
  timeoutMs: () => TIMEOUT_MS,
  arguments: (parser) =>
    parser
      .option("count", {
        alias: ["tasks", "bench-count"],
        type: "string",
        describe: `Tasks [${COUNT}]`,
      })
      .option("outstanding", { type: "string", describe: `So many at a time [${OUTSTANDING}]` })
      .option("size", { type: "string", describe: `Bytes of a payload [${SIZE}]` })
      .option("rate", {
        alias: "bench-rate",
        type: "string",
        describe: "Tasks a second at most [as it goes]",
      })
      .option("priority", {
        alias: "bench-priority",
        type: "string",
        describe: PRIORITIES.join(", "),
      })
      .option("queue", { type: "string", describe: "A queue that is not there yet [bench-…]" })
      .option("submit-only", { type: "boolean", describe: "Nobody does them" })
      .option("timeout", {
        alias: "bench-timeout",
        type: "string",
        describe: "How long it may take altogether [10m]",
      })
      .epilogue(
        "Durable: the answer has come that the task is on disk as the cluster promises it.\n" +
          "Handled: a worker in this program has begun it. Both count from the submit. The\n" +
          "queue is deleted afterwards. Exit status 1: not every task was durable, or handled.",
      ),
  async run(context) {
    const { io } = context;
    const interrupt = io.interrupted(["SIGINT", "SIGTERM", "SIGHUP"]);
    const timer = new AbortController();
    const options = {
      ...optionsOf(context),
      signal: AbortSignal.any([interrupt, timer.signal]),
    };
    const cluster = await checked(context, options.queue);
    void io.sleep(context.timeoutMs, timer.signal).then(() => timer.abort());
    const progress = { isStalled: false };
    let figures: Figures;
    let isDeleted: boolean;
    try {
      figures = await measured(context, options, progress);
    } finally {
      timer.abort();
      isDeleted = await clearUp(context, options.queue, progress);
    }
    show(context, { options, cluster, figures, isDeleted });
    if (interrupt.aborted) return EXIT.temporary;
    const { durable, handled } = figures;
    const wanted = options.count;
    return durable === wanted && (options.submitOnly || handled === wanted) ? EXIT.ok : EXIT.no;
  },
};

const NAME = /^[A-Za-z0-9._:-]{1,200}$/;

type Asked = Omit<BenchOptions, "signal" | "onProgress">;

function optionsOf({ args }: Context): Asked {
  return {
    queue: text(args, "queue") ?? `bench-${randomBytes(4).toString("hex")}`,
    count: whole(args, "count", 1, COUNT_MAX) ?? COUNT,
    outstanding: whole(args, "outstanding", 1, OUTSTANDING_MAX) ?? OUTSTANDING,
    size: whole(args, "size", SIZE_MIN, SIZE_MAX) ?? SIZE,
    perSecond: whole(args, "rate", 1, RATE_MAX),
    priority: oneOf(args, "priority", PRIORITIES),
    submitOnly: flagged(args, "submit-only"),
  };
}

/**
 * Whether the cluster answers, and takes from this key all that there will be to ask: the last of
 * it needs the most, and there is nothing yet that it could delete.
 */
async function checked({ client, connect, dial }: Context, queue: string): Promise<ClusterJson> {
  if (!NAME.test(queue)) throw wrong("queue", queue, "1 to 200 letters, digits and . _ : -");
  // Answered by a broker that is alone, too; and if there is none, that is soon known.
  const cluster = await client.cluster();
  const hasty = connect(dial().servers, CHECK_MS);
  try {
    await refuseTaken(hasty, queue);
    await unlessAbsent(hasty.queue(queue).delete());
    return cluster;
  } catch (error) {
    throw error instanceof TqError ? inContext(error) : error;
  } finally {
    await hasty.close();
  }
}

function inContext(error: TqError): Error {
  if (error.code === "permission_denied") {
    const why = "the key lacks what this verb asks for, from its tasks to deleting its queue";
    return new CliError(EXIT.permission, `${why}: ${error.message}`, error);
  }
  if (error.code !== "no_leader" && error.code !== "outcome_unknown") return error;
  const why = "the cluster decides nothing, so there is nothing to measure";
  const fix = "does a majority of its brokers run? tq-admin cluster-status tells";
  return new CliError(EXIT.unavailable, `${why} (${error.message}); ${fix}`, error);
}

/** What is in it would be deleted with the rest. */
async function refuseTaken(client: AdminClient, queue: string): Promise<void> {
  if ((await unlessAbsent(client.queue(queue).get())) === undefined) return;
  const fix = "name one that is not there yet, for it is deleted afterwards";
  throw new CliError(EXIT.usage, `--queue: there is a queue "${queue}" already; ${fix}`);
}

async function unlessAbsent<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof TqError && error.code === "not_found") return undefined;
    throw error;
  }
}

/** Noted here, because a run that throws may have stalled, too. */
interface Progress {
  isStalled: boolean;
}

async function measured(
  { io, dial }: Context,
  options: Omit<BenchOptions, "onProgress">,
  noted: Progress,
): Promise<Figures> {
  const progress = new ProgressLine(io);
  const { count, submitOnly, queue } = options;
  const onProgress = (durable: number, handled: number): void => {
    const bar = progressBar(submitOnly ? durable : handled, count);
    progress.draw(submitOnly ? bar : `${bar} handled, ${durable} durable`);
  };
  const quiet = { timeoutMs: SUBMIT_MS, stay: false, onFailed() {}, onUp() {} };
  const client = io.connect({ ...dial(), ...quiet });
  const run = new Bench(io, client, { ...options, onProgress });
  const { handle } = run;
  let worker: Worker | undefined;
  try {
    if (!submitOnly) {
      const how = { queue, type: TYPE, concurrency: CONCURRENCY, handle, withinMs: WORKER_MS };
      worker = await startOwnWorker({ ...dial(), ...how });
    }
    const figures = await run.run();
    noted.isStalled = run.isStalled;
    if (run.isStalled) {
      const what = `nothing was answered or handled for ${STALL_MS / 1_000} s; given up`;
      progress.clear();
      io.stderr(`tq-admin: ${what}\n`);
    }
    return figures;
  } finally {
    progress.clear();
    await worker?.stop({ graceMs: 0, abortMs: 0 });
    // A submit without an answer may still make a task, which would be left behind.
    await client.close();
  }
}

/** False, and said so, when it could not be done: what was measured is worth no less. */
async function clearUp(
  { connect, dial, io }: Context,
  queue: string,
  { isStalled }: Progress,
): Promise<boolean> {
  const progress = new ProgressLine(io);
  // A cluster that has gone is not waited for as long as the bench may take.
  const client = connect(dial().servers, isStalled ? CLEAR_STALLED_MS : CLEAR_MS);
  try {
    // It comes to be with its first task; without one there is nothing to be permitted either.
    await client.queue(queue).get();
    const cancelling = await client.jobs.start("cancel", { queue });
    const deleting = await client.jobs.start("delete", { queue });
    for (const { id } of [cancelling, deleting]) {
      await client.jobs.wait(id, ({ changed }) => {
        progress.draw(`deleting ${queue}: ${changed} tasks`);
      });
    }
    await client.queue(queue).delete();
    return true;
  } catch (error) {
    if (error instanceof TqError && error.code === "not_found") return true;
    progress.clear();
    const fix = `tq-admin queue purge ${queue} -y && tq-admin queue delete ${queue}`;
    io.stderr(`tq-admin: ${queue} was not deleted (${(error as Error).message}); ${fix}\n`);
    return false;
  } finally {
    progress.clear();
    await client.close();
  }
}

interface Shown {
  readonly options: Asked;
  readonly cluster: ClusterJson;
  readonly figures: Figures;
  readonly isDeleted: boolean;
}

function show({ out }: Context, { options, cluster, figures, isDeleted }: Shown): void {
  const { queue, count, size, outstanding } = options;
  const { submitted, durable, handled, seconds, submit, handle, errors } = figures;
  const { durability, leader_id, members } = cluster;
  const head = { tasks: count, size, outstanding, brokers: members.length, durability, leader_id };
  const value = { ...head, ...figures, queue, queue_deleted: isDeleted };
  out.item(value, () => [
    ["cluster", `${members.length} brokers, ${durability}, led by ${leader_id ?? "nobody"}`],
    ["tasks", `${count} of ${size} bytes, ${outstanding} at a time, in ${seconds} s`],
    ["durable", `${durable} of ${submitted} submitted`],
    ...(submit === undefined ? [] : [["", inWords(submit)] as const]),
    ...(options.submitOnly ? [] : [["handled", String(handled)] as const]),
    ...(handle === undefined ? [] : [["", inWords(handle)] as const]),
    [
      "errors",
      Object.entries(errors)
        .map((each) => each.join(" "))
        .join(", ") || "none",
    ],
    ["queue", `${queue} ${isDeleted ? "is deleted" : "is still there"}`],
  ]);
}

function inWords({ per_second, p50_ms, p99_ms, max_ms }: Summary): string {
  return `${per_second} a second; p50 ${p50_ms} ms, p99 ${p99_ms} ms, at most ${max_ms} ms`;
}
