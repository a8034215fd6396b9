/** Submits to RabbitMQ and works for it: persistent messages with confirms, one ack for each. */
import { setTimeout as sleep } from "node:timers/promises";
import amqplib from "amqplib";

/** Short, so that what is measured is the cluster and not the client. */
const RECONNECT_MS = 10;
const CONNECT_MS_MAX = 1_000;

/** @typedef {{ url: string, urls: readonly string[], queue: string }} Place */

/** @param {Place} place */
export async function openSubmitter({ url, queue }) {
  const connection = await amqplib.connect(url);
  const channel = await connection.createConfirmChannel();
  const submit = (/** @type {object} */ payload) => publish(channel, queue, payload);
  return { submit, close: () => connection.close() };
}

/**
 * Goes on at the next node when the connection ends, which the library leaves to its user. A submit
 * that has no confirm by then, or is made meanwhile, fails. After a refusal it goes on as well: a
 * channel that was opened while the queue had no leader refuses everything from then on (3.10).
 *
 * @param {Place} place
 */
export async function openPersistent({ url, urls, queue }) {
  let position = urls.indexOf(url);
  let closed = false;
  /** @type {{ connection: any, channel: any } | undefined} */
  let current;
  const open = async () => {
    const address = urls[position % urls.length] ?? "";
    position++;
    const connection = await amqplib.connect(address, { timeout: CONNECT_MS_MAX });
    // The end that follows is what counts.
    connection.on("error", () => {});
    connection.on("close", () => {
      current = undefined;
      void reopen();
    });
    const channel = await connection.createConfirmChannel();
    channel.on("error", () => {});
    current = { connection, channel };
  };
  const reopen = async () => {
    while (!closed && current === undefined) {
      await open().catch(() => sleep(RECONNECT_MS));
    }
  };
  const leave = (/** @type {typeof current} */ refused) => {
    if (refused === undefined || refused !== current) return;
    current = undefined;
    refused.connection.close().catch(() => {});
  };
  await open();
  return {
    submit: async (/** @type {object} */ payload) => {
      const used = current;
      if (used === undefined) throw new Error("not connected to RabbitMQ");
      try {
        await publish(used.channel, queue, payload);
      } catch (error) {
        leave(used);
        throw error;
      }
    },
    close: async () => {
      closed = true;
      await current?.connection.close();
    },
  };
}

/** Resolves with the broker's confirm. */
function publish(
  /** @type {any} */ channel,
  /** @type {string} */ queue,
  /** @type {object} */ payload,
) {
  return new Promise((resolve, reject) => {
    const content = Buffer.from(JSON.stringify(payload));
    const confirmed = (/** @type {unknown} */ error) => (error ? reject(error) : resolve(null));
    channel.publish("", queue, content, { persistent: true }, confirmed);
  });
}

/**
 * @param {Place} place
 * @param {{ concurrency: number, handle: (payload: any) => void }} options
 */
export async function openWorker({ url, queue }, { concurrency, handle }) {
  const connection = await amqplib.connect(url);
  const channel = await connection.createChannel();
  await channel.prefetch(concurrency);
  await channel.consume(queue, (message) => {
    if (message === null) throw new Error("RabbitMQ has cancelled the consumer");
    handle(JSON.parse(message.content.toString()));
    channel.ack(message);
  });
  return {
    /** RabbitMQ does not answer acks; an answered question says that the last one has arrived. */
    settled: () => channel.checkQueue(queue),
    close: () => connection.close(),
  };
}
