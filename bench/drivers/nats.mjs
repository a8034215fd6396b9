/** Submits to NATS JetStream and works for it: acknowledged publishes, an explicit ack for each. */
import { connect } from "nats";

/**
 * @typedef {{
 *   submitUrl: string,
 *   workUrl: string,
 *   servers: readonly string[],
 *   stream: string,
 *   consumer: string,
 * }} Place
 * The leader of the stream and that of its consumer may be different nodes.
 */

const encoder = new TextEncoder();
const TIMEOUT_MS = 30_000;
/** Short, so that what is measured is the cluster and not the client. */
const RECONNECT_MS = 10;
const LOST_MS = 1_000;

/** @param {Place} place */
export async function openSubmitter({ submitUrl, stream }) {
  const connection = await connect({ servers: submitUrl });
  return submitterOf(connection, { stream, timeout: TIMEOUT_MS });
}

/**
 * Goes on at another node when the connection ends. A submit that gets lost on the way fails.
 *
 * @param {Place} place
 */
export async function openPersistent({ submitUrl, servers, stream }) {
  const connection = await connect({
    servers: [submitUrl, ...servers.filter((url) => url !== submitUrl)],
    noRandomize: true,
    reconnectTimeWait: RECONNECT_MS,
    maxReconnectAttempts: -1,
  });
  return submitterOf(connection, { stream, timeout: LOST_MS });
}

function submitterOf(
  /** @type {import("nats").NatsConnection} */ connection,
  /** @type {{ stream: string, timeout: number }} */ { stream, timeout },
) {
  const jetStream = connection.jetstream();
  const submit = (/** @type {object} */ payload) =>
    jetStream.publish(stream, encoder.encode(JSON.stringify(payload)), { timeout });
  return { submit, close: () => connection.drain() };
}

/**
 * @param {Place} place
 * @param {{ concurrency: number, handle: (payload: any) => void }} options
 */
export async function openWorker(place, { concurrency, handle }) {
  const connection = await connect({ servers: place.workUrl });
  const consumer = await connection.jetstream().consumers.get(place.stream, place.consumer);
  await consumer.consume({
    max_messages: concurrency,
    callback: (message) => {
      handle(message.json());
      message.ack();
    },
  });
  return {
    /** NATS does not answer these acks; a pong says that the last one has arrived. */
    settled: () => connection.flush(),
    close: () => connection.close(),
  };
}
