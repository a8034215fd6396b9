/** The process that asks tq over gRPC, or a bare echo in the same way. */
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { now } from "../clock.mjs";
import { makePayload } from "../payload.mjs";
import { distribution } from "../statistics.mjs";
import { ECHO } from "./grpc-echo-method.mjs";
import { serve } from "./serve.mjs";

const PROTO = fileURLToPath(new URL("../../proto/taskqueue.proto", import.meta.url));
const TYPE = "bench";
/** Channels over which the lanes are spread: one connection would be the bottleneck of both. */
const CHANNELS = 4;

const { TaskQueue } = /** @type {any} */ (
  grpc.loadPackageDefinition(loadSync(PROTO, { keepCase: true, longs: Number }))
).taskqueue.v1;

/** @type {any[]} */
let clients = [];
let next = 0;

/** @param {{ connection: { grpc: string } }} params */
function connect({ connection }) {
  clients = channels((options) => new TaskQueue(connection.grpc, INSECURE, options));
}

const INSECURE = grpc.credentials.createInsecure();

/**
 * @template T
 * @param {(options: object) => T} open
 */
function channels(open) {
  return Array.from({ length: CHANNELS }, () => open({ "grpc.use_local_subchannel_pool": 1 }));
}

/** @param {{ lanes: number, forMs: number }} load */
function unary(load) {
  return repeat(load, (lane) => {
    const client = clients[lane % CHANNELS];
    return promised((done) => client.SubmitTask({ task: oneTask() }, done));
  });
}

/** @param {{ address: string, lanes: number, forMs: number }} params */
async function echo({ address, ...load }) {
  const echoes = channels((options) => new grpc.Client(address, INSECURE, options));
  const bytes = Buffer.from(JSON.stringify(makePayload(0)));
  const { path, requestSerialize, responseDeserialize } = ECHO;
  const result = await repeat(load, (lane) => {
    const client = /** @type {grpc.Client} */ (echoes[lane % CHANNELS]);
    return promised((done) =>
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, bytes, done),
    );
  });
  for (const client of echoes) client.close();
  return result;
}

/** @param {{ streams: number, perMessage: number, window: number, forMs: number }} load */
async function stream({ streams, perMessage, window, forMs }) {
  const startAt = now();
  const end = startAt + forMs;
  /** @type {number[]} */
  const latencies = [];
  const one = (/** @type {number} */ lane) =>
    new Promise((resolve, reject) => {
      const call = clients[lane % CHANNELS].SubmitStream();
      /** @type {number[]} */
      const sentAt = [];
      const send = () => {
        sentAt.push(now());
        call.write({ sequence: 0, tasks: Array.from({ length: perMessage }, oneTask) });
      };
      call.on("data", (/** @type {any} */ { results }) => {
        const refused = results.find((/** @type {any} */ result) => result.refused);
        if (refused !== undefined) reject(new Error(refused.refused.message));
        latencies.push(now() - (sentAt.shift() ?? 0));
        if (now() < end) send();
        else call.end();
      });
      call.on("error", reject);
      call.on("end", resolve);
      for (let i = 0; i < window; i++) send();
    });
  await Promise.all(Array.from({ length: streams }, (_, lane) => one(lane)));
  return { perSecond: (latencies.length / (now() - startAt)) * 1e3, ms: distribution(latencies) };
}

/**
 * @param {{ lanes: number, forMs: number }} load
 * @param {(lane: number) => Promise<unknown>} ask
 */
async function repeat({ lanes, forMs }, ask) {
  const startAt = now();
  const end = startAt + forMs;
  /** @type {number[]} */
  const latencies = [];
  const run = async (/** @type {unknown} */ _, /** @type {number} */ lane) => {
    for (let at = now(); at < end; ) {
      await ask(lane);
      const answeredAt = now();
      latencies.push(answeredAt - at);
      at = answeredAt;
    }
  };
  await Promise.all(Array.from({ length: lanes }, run));
  return { perSecond: (latencies.length / (now() - startAt)) * 1e3, ms: distribution(latencies) };
}

/** @param {(done: grpc.requestCallback<any>) => unknown} begin */
function promised(begin) {
  return new Promise((resolve, reject) => {
    begin((error, answer) => (error === null ? resolve(answer) : reject(error)));
  });
}

function oneTask() {
  const data = Buffer.from(JSON.stringify(makePayload(next++)));
  return { type: TYPE, payload: { content_type: "application/json", data } };
}

function close() {
  for (const client of clients) client.close();
}

serve({ connect, unary, echo, stream, close });
