/** Submits to RabbitMQ and works for it: persistent messages with confirms, one ack for each. */
import amqplib from "amqplib";

/** @typedef {{ url: string, queue: string }} Place */

/** @param {Place} place */
export async function openSubmitter({ url, queue }) {
  const connection = await amqplib.connect(url);
  const channel = await connection.createConfirmChannel();
  const submit = (/** @type {object} */ payload) =>
    new Promise((resolve, reject) => {
      const content = Buffer.from(JSON.stringify(payload));
      const confirmed = (/** @type {unknown} */ error) => (error ? reject(error) : resolve(null));
      channel.publish("", queue, content, { persistent: true }, confirmed);
    });
  return { submit, close: () => connection.close() };
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
