/**
 * Ports on loopback for tests that start real programs. They lie below the range from which the
 * system takes ports for outgoing connections, each worker of vitest has a range of its own, and
 * a worker gives none out twice, so that nobody gets one between the look and the use.
 */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

const FROM = 12_000;
const RANGES = 8;
const RANGE_SIZE = 1_000;
/** The bus of a broker listens this far above the port for workers. */
const BUS_OFFSET = 10_000;

const given = new Set<number>();

/** A port that nobody listens on, and that nobody was given before. */
export function freePort(): Promise<number> {
  return freePortsApart(1, 1);
}

/** The first of `count` such ports, each `step` behind the one before. */
export async function freePortsApart(step: number, count: number): Promise<number> {
  const from = FROM + (Number(process.env["VITEST_POOL_ID"] ?? 0) % RANGES) * RANGE_SIZE;
  for (;;) {
    const first = randomInt(from, from + RANGE_SIZE - step * (count - 1));
    const ports = Array.from({ length: count }, (_, at) => first + step * at);
    if (ports.some((port) => given.has(port))) continue;
    const looks = ports.flatMap((port) => [isFree(port), isFree(port + BUS_OFFSET)]);
    if (!(await Promise.all(looks)).every((each) => each)) continue;
    // Another call may have taken one of them during the look.
    if (ports.some((port) => given.has(port))) continue;
    for (const port of ports) given.add(port);
    return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
