/**
 * Free ports on loopback. They lie below the range from which the operating system takes ports for
 * outgoing connections, so that nobody gets one between the look and the use by accident.
 */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

const FROM = 12_000;
const TO = 22_000;
/** tq's bus listens this far above the port that workers and clients use. */
export const BUS_OFFSET = 10_000;

/** @param {number} count */
export async function freePorts(count) {
  /** @type {number[]} */
  const ports = [];
  while (ports.length < count) {
    const port = randomInt(FROM, TO);
    if (ports.includes(port)) continue;
    if ((await isFree(port)) && (await isFree(port + BUS_OFFSET))) ports.push(port);
  }
  return ports;
}

/** @param {number} port */
function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
