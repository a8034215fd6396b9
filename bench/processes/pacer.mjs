/**
 * Says when the next submit is due. Node's timers know whole milliseconds and come late; this waits
 * in a thread of its own on a futex, which is exact to some ten microseconds, and costs no CPU while
 * it waits. The main thread is told once for all that are due.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { now } from "../clock.mjs";

/**
 * Calls `onDue(count, startAt)` each time the number of submits that should have gone out has grown.
 *
 * @param {{ rate: number, count: number, onDue: (due: number, startAt: number) => void }} options
 *   `rate` in submits a second
 * @returns {Promise<void>} when all are due
 */
export function pace({ rate, count, onDue }) {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL(import.meta.url), { workerData: { rate, count } });
    thread.on("message", ({ due, startAt }) => onDue(due, startAt));
    thread.once("error", reject);
    thread.once("exit", () => resolve(undefined));
  });
}

function run() {
  const { rate, count } = workerData;
  const never = new Int32Array(new SharedArrayBuffer(4));
  const intervalMs = 1_000 / rate;
  const startAt = now() + 1;
  for (let due = 0; due < count; ) {
    Atomics.wait(never, 0, 0, Math.max(0, startAt + due * intervalMs - now()));
    const reached = Math.floor((now() - startAt) / intervalMs) + 1;
    if (reached <= due) continue;
    due = Math.min(count, reached);
    parentPort?.postMessage({ due, startAt });
  }
}

if (!isMainThread) run();
