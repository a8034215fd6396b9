/** Every system that can be measured, by name, and which ones are compared unless said otherwise. */
import { bullmq } from "./bullmq.mjs";
import { nats } from "./nats.mjs";
import { rabbitmq } from "./rabbitmq.mjs";
import { tqCluster, tqSingle } from "./tq.mjs";

/** Which rivals promise as much with as many nodes. */
export const RIVALS = { cluster: ["rabbitmq", "nats"], single: ["bullmq"] };

const ALL = [tqCluster, tqSingle, rabbitmq, nats, bullmq];

/** @param {string} name */
export function systemOf(name) {
  const found = ALL.find((system) => system.name === name);
  if (found === undefined) throw new Error(`there is no system called ${name}`);
  return found;
}

/** Names of those that tq can be compared with. */
export const RIVAL_NAMES = [rabbitmq, nats, bullmq].map(({ name }) => name);
