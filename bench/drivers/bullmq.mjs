/** Submits to BullMQ and works for it. Finished jobs are removed, which is the faster way for it. */
import { Queue, Worker } from "bullmq";
import { until } from "../until.mjs";

const QUEUE = "bench";
/** Often enough not to lengthen what is measured. */
const SETTLING = { limitMs: 30_000, pollMs: 1 };

/** @typedef {{ host: string, port: number }} Place */

/** @param {Place} connection */
export async function openSubmitter(connection) {
  const queue = new Queue(QUEUE, { connection });
  await queue.waitUntilReady();
  const options = { removeOnComplete: true };
  const submit = (/** @type {object} */ payload) => queue.add(QUEUE, payload, options);
  return { submit, close: () => queue.close() };
}

/**
 * @param {Place} place
 * @param {{ concurrency: number, handle: (payload: any) => void }} options
 */
export async function openWorker(place, { concurrency, handle }) {
  const connection = { ...place, maxRetriesPerRequest: null };
  let handled = 0;
  let completed = 0;
  const run = async (/** @type {{ data: object }} */ job) => {
    handle(job.data);
    handled++;
  };
  const worker = new Worker(QUEUE, run, { connection, concurrency });
  worker.on("completed", () => completed++);
  worker.on("error", (error) => {
    throw error;
  });
  await worker.waitUntilReady();
  return {
    /** Resolves when Redis has answered for every completion. */
    settled: () => until("completions are answered", () => completed === handled, SETTLING),
    close: () => worker.close(),
  };
}
