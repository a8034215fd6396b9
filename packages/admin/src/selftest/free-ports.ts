/**
 * Ports on loopback for brokers that know each other by them before they run. They lie below the
 * range from which systems take ports for outgoing connections, and so does the bus above each.
 */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { CliError, EXIT } from "../exit-status.ts";

const FROM = 12_000;
const UNTIL = 22_000;
/** The bus of a broker listens this far above the port for workers. */
const BUS_OFFSET = 10_000;
const TRIES_MAX = 200;

/** Somebody else may take one before it is used: then the broker says so. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const found = new Set<number>();
  for (let tries = 0; tries < TRIES_MAX && found.size < count; tries++) {
    const port = randomInt(FROM, UNTIL);
    if ((await isFree(port)) && (await isFree(port + BUS_OFFSET))) found.add(port);
  }
  if (found.size === count) return [...found];
  const range = `from ${FROM} to ${UNTIL}, with those ${BUS_OFFSET} above them`;
  throw new CliError(EXIT.unavailable, `there are no ${count} free ports on 127.0.0.1 ${range}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
