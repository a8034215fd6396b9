/**
 * Submits over gRPC: one task a call, beside a bare echo of the same library, and in streams of
 * messages with several tasks.
 */
import { notTq } from "./not-tq.mjs";

const LANES = 64;
const STREAMS = 4;
const PER_MESSAGE = 16;
/** Messages of one stream that are not answered yet. */
const WINDOW = 16;

export const grpc = {
  name: "grpc",
  rounds: 2,
  describe: () =>
    `${LANES} unary calls at a time, a bare echo likewise, and ${STREAMS} streams of messages ` +
    `with ${PER_MESSAGE} tasks`,
  leftOut: (/** @type {{ name: string }} */ { name }) => notTq(name, "speaks gRPC"),
  measure,
  figures: () => [
    { name: "unary tasks/s", of: (/** @type {any} */ result) => result.unary.perSecond },
    { name: "unary p99 ms", of: (/** @type {any} */ result) => result.unary.ms.p99 },
    { name: "of the echo's rate %", of: (/** @type {any} */ result) => result.shareOfEcho * 100 },
    { name: "streamed tasks/s", of: (/** @type {any} */ result) => result.streamRate },
    { name: "streamed p99 ms", of: (/** @type {any} */ result) => result.streamed.ms.p99 },
  ],
};

/**
 * @param {import("../stage.mjs").Stage} stage
 * @param {{ seconds: number, warmSeconds: number }} parameters
 */
async function measure(stage, { seconds, warmSeconds }) {
  const caller = await stage.open("grpc-caller.mjs");
  const server = await stage.open("grpc-echo.mjs");
  const address = await server.call("listen");
  const unary = (/** @type {number} */ duration) =>
    caller.call("unary", { lanes: LANES, forMs: duration * 1e3 });
  const echo = (/** @type {number} */ duration) =>
    caller.call("echo", { address, lanes: LANES, forMs: duration * 1e3 });
  const stream = (/** @type {number} */ duration) =>
    caller.call("stream", {
      streams: STREAMS,
      perMessage: PER_MESSAGE,
      window: WINDOW,
      forMs: duration * 1e3,
    });
  await unary(warmSeconds / 2);
  await echo(warmSeconds / 2);
  await stream(warmSeconds / 2);
  const { value, cost } = await stage.during(async () => ({
    unary: await unary(seconds),
    echo: await echo(seconds),
    streamed: await stream(seconds),
  }));
  const shareOfEcho = value.unary.perSecond / value.echo.perSecond;
  const streamRate = value.streamed.perSecond * PER_MESSAGE;
  return { ...value, shareOfEcho, streamRate, othersCpuShare: cost.othersShare };
}
