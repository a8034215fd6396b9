/** Submits to NATS JetStream and works for it: acknowledged publishes, an explicit ack for each. */
import { connect } from "nats";

/**
 * @typedef {{ submitUrl: string, workUrl: string, stream: string, consumer: string }} Place
 * The leader of the stream and that of its consumer may be different nodes.
 */

const encoder = new TextEncoder();

/** @param {Place} place */
export async function openSubmitter({ submitUrl, stream }) {
  const connection = await connect({ servers: submitUrl });
  const jetStream = connection.jetstream();
  const submit = (/** @type {object} */ payload) =>
    jetStream.publish(stream, encoder.encode(JSON.stringify(payload)), { timeout: 30_000 });
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
