/** The ports of `npm start`, each movable by a variable; a busy one is named with its variable. */
import { createServer } from "node:net";

const NODES = [0, 1, 2];

/** Bases of the port ranges: node i takes base + i or base + 100·i. */
const RANGES = [
  { key: "worker", variable: "TQ_WORKER_PORT", base: 6379, step: 1, what: "worker protocol" },
  { key: "rest", variable: "TQ_REST_PORT", base: 8080, step: 100, what: "REST" },
  { key: "grpc", variable: "TQ_GRPC_PORT", base: 9090, step: 100, what: "gRPC" },
  { key: "metrics", variable: "TQ_METRICS_PORT", base: 9091, step: 100, what: "metrics" },
];
const BUS_OFFSET = 10_000;

export function choosePorts(env = process.env) {
  const ports = {};
  for (const { key, variable, base, step } of RANGES) {
    const first = env[variable] === undefined ? base : Number(env[variable]);
    if (!Number.isInteger(first) || first < 1 || first > 55_000) {
      throw new Error(`${variable} must be a port from 1 to 55000, not ${env[variable]}`);
    }
    ports[key] = NODES.map((node) => first + node * step);
  }
  return ports;
}

/** Settings of another cluster, which the programs would read as theirs. */
const SETTING = /^TQ_/;
const OWN = ["TQ_DATA_DIR", ...RANGES.map(({ variable }) => variable)];

/** The same environment for the programs, which are told all that they need. */
export function withoutSettings(env = process.env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !SETTING.test(name)));
}

/** Variables that somebody has set for tq and that change nothing here. */
export function ignoredSettings(env = process.env) {
  return Object.keys(env).filter((name) => SETTING.test(name) && !OWN.includes(name));
}

/** Throws an error that names every port in use and the variable that moves it. */
export async function demandFree(ports) {
  const wanted = RANGES.flatMap(({ key, variable, what }) =>
    ports[key].map((port) => ({ port, variable, what })),
  );
  for (const port of ports.worker) {
    wanted.push({ port: port + BUS_OFFSET, variable: "TQ_WORKER_PORT", what: "bus" });
  }
  const busy = [];
  for (const each of wanted) if (!(await isFree(each.port))) busy.push(each);
  if (busy.length === 0) return;
  const lines = busy.map(
    ({ port, variable, what }) => `  port ${port} (${what}) is in use; move it with ${variable}=N`,
  );
  throw new Error(`npm start needs free ports on 127.0.0.1:\n${lines.join("\n")}`);
}

function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
