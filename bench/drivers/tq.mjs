/** Submits to tq and works for it, by the public client and worker libraries. */
import { connect } from "task-queue-client";
import { createWorker } from "task-queue-worker";
import { until } from "../until.mjs";

const TYPE = "bench";
/** Type and queue of tasks that nobody handles. */
const STORED = "stored";
/** Often enough not to lengthen what is measured. */
const SETTLING = { limitMs: 30_000, pollMs: 1 };

/** @typedef {{ servers: readonly string[], leader: string }} Place */

/** @param {Place} place */
export async function openSubmitter(place) {
  const client = await openAtLeader(place);
  return {
    submit: (/** @type {object} */ payload) => client.submit(TYPE, payload),
    /** Submits a task that no worker is there for. */
    store: (/** @type {object} */ payload) => client.submit(STORED, payload, { queue: STORED }),
    close: () => client.close(),
  };
}

/** The client comes back by itself, and so do its submits. */
export const openPersistent = openSubmitter;

/**
 * A client starts anywhere in its list of brokers, so that many of them spread; a follower passes
 * on what it is sent. The rivals' clients are at the leader, so this one is opened until it is too.
 *
 * @param {Place} place
 */
async function openAtLeader({ servers, leader }) {
  for (;;) {
    /** @type {string | undefined} */
    let address;
    const client = connect({
      servers,
      name: "bench",
      onConnection: (event) => {
        if (event.state === "up") address = event.address;
      },
    });
    await client.cluster();
    if (address === leader) return client;
    await client.close();
  }
}

/**
 * The worker library goes to the leader by itself.
 *
 * @param {Place} place
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
