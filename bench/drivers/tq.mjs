/** Submits to tq and works for it, by the public client and worker libraries. */
import { connect } from "task-queue-client";
import { createWorker } from "task-queue-worker";
import { until } from "../until.mjs";

const TYPE = "bench";
/** Often enough not to lengthen what is measured. */
const SETTLING = { limitMs: 30_000, pollMs: 1 };

/** @param {{ servers: readonly string[] }} connection */
export async function openSubmitter({ servers }) {
  const client = connect({ servers, name: "bench" });
  await client.cluster();
  return {
    submit: (/** @type {object} */ payload) => client.submit(TYPE, payload),
    close: () => client.close(),
  };
}

/**
 * @param {{ servers: readonly string[] }} connection
 * @param {{ concurrency: number, handle: (payload: any) => void }} options
 */
export async function openWorker({ servers }, { concurrency, handle }) {
  const worker = createWorker({ servers, handlers: { [TYPE]: handle }, concurrency });
  await worker.start();
  return {
    /** Resolves when a majority has every completion on disk. */
    settled: () => until("completions are answered", () => isIdle(worker), SETTLING),
    close: () => worker.stop(),
  };
}

function isIdle(/** @type {ReturnType<typeof createWorker>} */ { status }) {
  return status.running === 0 && status.unreported === 0;
}
