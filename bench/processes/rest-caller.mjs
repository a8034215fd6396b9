/** The process that asks tq over REST: each connection asks again as soon as it has its answer. */
import { now } from "../clock.mjs";
import { makePayload } from "../payload.mjs";
import { distribution } from "../statistics.mjs";
import { HttpConnection } from "./http-connection.mjs";
import { serve } from "./serve.mjs";

const TYPE = "bench";
const TASKS = "/api/v1/tasks";
/** In one batch; a broker takes up to a thousand. */
const STORED_AT_A_TIME = 500;

/** @type {{ leader: string, followers: readonly string[] }} */
let rest;
let next = 0;
/** @type {string[]} ids of the tasks that are read */
const ids = [];

/** @param {{ connection: { rest: typeof rest } }} params */
function connect({ connection }) {
  rest = connection.rest;
}

/**
 * Submits the tasks that are read later.
 *
 * @param {{ count: number }} params
 */
async function store({ count }) {
  const connection = new HttpConnection(rest.leader);
  while (ids.length < count) {
    const size = Math.min(STORED_AT_A_TIME, count - ids.length);
    const body = await demand(connection, "POST", `${TASKS}/batch`, batchOf(size));
    ids.push(...JSON.parse(body).tasks.map((/** @type {{ id: string }} */ { id }) => id));
  }
  connection.close();
}

/**
 * Reads tasks one after the other from a follower.
 *
 * @param {{ consistency: string, connections: number, forMs: number }} params
 */
async function reads({ consistency, ...load }) {
  let turn = 0;
  const ask = (/** @type {HttpConnection} */ connection) => {
    const id = ids[turn++ % ids.length];
    return demand(connection, "GET", `${TASKS}/${id}?consistency=${consistency}`);
  };
  return await repeat(rest.followers[0] ?? rest.leader, ask, load);
}

/**
 * Submits to the leader, `batch` tasks at a time.
 *
 * @param {{ batch: number, connections: number, forMs: number }} params
 */
async function submits({ batch, ...load }) {
  const path = batch === 1 ? TASKS : `${TASKS}/batch`;
  const ask = (/** @type {HttpConnection} */ connection) =>
    demand(connection, "POST", path, batch === 1 ? JSON.stringify(oneTask()) : batchOf(batch));
  return await repeat(rest.leader, ask, load);
}

/**
 * @param {string} base
 * @param {(connection: HttpConnection) => Promise<unknown>} ask
 * @param {{ connections: number, forMs: number }} load
 */
async function repeat(base, ask, { connections, forMs }) {
  const startAt = now();
  const end = startAt + forMs;
  /** @type {number[]} */
  const latencies = [];
  const lane = async () => {
    const connection = new HttpConnection(base);
    for (let at = now(); at < end; ) {
      await ask(connection);
      const answeredAt = now();
      latencies.push(answeredAt - at);
      at = answeredAt;
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: connections }, lane));
  return { perSecond: (latencies.length / (now() - startAt)) * 1e3, ms: distribution(latencies) };
}

/**
 * The body of an answer that says yes; a batch of which any task was refused says no.
 *
 * @param {HttpConnection} connection
 * @param {string} method
 * @param {string} path
 * @param {string | undefined} body
 */
async function demand(connection, method, path, body = undefined) {
  const answer = await connection.ask(method, path, body);
  const refused = method === "POST" && answer.body.includes('"error":{');
  if (answer.status < 300 && !refused) return answer.body;
  throw new Error(`${method} ${path}: status ${answer.status}, ${answer.body.slice(0, 500)}`);
}

function batchOf(/** @type {number} */ size) {
  return JSON.stringify({ tasks: Array.from({ length: size }, oneTask) });
}

function oneTask() {
  return { type: TYPE, payload: makePayload(next++) };
}

serve({ connect, store, reads, submits, close: () => {} });
