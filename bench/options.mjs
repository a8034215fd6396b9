/** The command line of the benchmark. What is wrong in it throws a `UsageError` that says so. */
import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN } from "./payload.mjs";

export const USAGE = `usage: npm run bench -- [options]

Measures tq against other systems on the same work, in turns, on this machine.

  --against A,B      rivals: rabbitmq, nats, bullmq, none (default: rabbitmq,nats; with --single: bullmq)
  --single           one broker instead of three
  --workload A,B     end-to-end, rate, backlog, reads, rest, proxied, grpc, failover,
                     snapshot or all (default: all)
  --rounds N         measurements of each system (default: 5 of end-to-end and rate, 2 of the rest)
  --p N              submits outstanding (default 128)
  --c N              handlers at once, in all worker processes (default 128)
  --workers N        worker processes (default 1)
  --size N           bytes of each payload (default 200)
  --rate N           submits a second, rate (default 500)
  --tasks N          tasks that are stored, backlog and snapshot (default 1000000)
  --times N          how often the leader is killed in a round, failover (default 10)
  --seconds N        how long a measurement takes, about (default 10)
  --warm-seconds N   warm-up before it (default 6)
  --quick            one round of 2 seconds with little stored: shows that everything works, measures
                     nothing
  --node PATH        Node binary for tq's brokers and for all clients (default: this one)
  --profile          CPU profiles of tq's brokers while measured, to bench/out/profile-*; slows them
  --help`;

export class UsageError extends Error {}

const OPTIONS = /** @type {const} */ ({
  against: { type: "string" },
  single: { type: "boolean", default: false },
  workload: { type: "string", default: "all" },
  rounds: { type: "string" },
  p: { type: "string", default: "128" },
  c: { type: "string", default: "128" },
  workers: { type: "string", default: "1" },
  size: { type: "string", default: "200" },
  rate: { type: "string", default: "500" },
  tasks: { type: "string" },
  times: { type: "string" },
  seconds: { type: "string" },
  "warm-seconds": { type: "string" },
  quick: { type: "boolean", default: false },
  node: { type: "string" },
  profile: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
});

const NORMAL = { seconds: "10", "warm-seconds": "6", tasks: "1000000", times: "10" };
const QUICK = { seconds: "2", "warm-seconds": "2", tasks: "5000", times: "1" };
/** As far as the worker protocol's window reaches. */
const CONCURRENCY_MAX = 10_000;
const WORKERS_MAX = 100;
/** As many as a measurement can hold times of, with room to spare. */
const TASKS_MAX = 20_000_000;

/**
 * @param {string[]} args
 * @param {{
 *   rivals: { cluster: string[], single: string[] },
 *   rivalNames: string[],
 *   workloadNames: string[],
 * }} known
 */
export function parseOptions(args, { rivals, rivalNames, workloadNames }) {
  const values = parse(args);
  const usual = values.quick ? QUICK : NORMAL;
  const number = (
    /** @type {keyof typeof NORMAL | "p" | "c" | "size" | "rate" | "workers"} */ name,
    max = 1e6,
    min = 1,
  ) => whole(name, values[name] ?? usual[/** @type {keyof typeof NORMAL} */ (name)], { min, max });
  const chosen = values.against?.split(",") ?? rivals[values.single ? "single" : "cluster"];
  const wanted = values.workload
    .split(",")
    .map((name) => oneOf("--workload", name, [...workloadNames, "all"]));
  const isWanted = (/** @type {string} */ name) => wanted.includes("all") || wanted.includes(name);
  const rounds = values.rounds ?? (values.quick ? "1" : undefined);
  return {
    tq: values.single ? "tq-single" : "tq-cluster",
    rivals: chosen
      .map((name) => oneOf("--against", name, [...rivalNames, "none"]))
      .filter((name) => name !== "none"),
    workloads: workloadNames.filter(isWanted),
    /** Undefined: as many as the workload is worth. */
    rounds: rounds === undefined ? undefined : whole("rounds", rounds, { min: 1, max: 1e6 }),
    p: number("p"),
    c: number("c", CONCURRENCY_MAX),
    workers: number("workers", WORKERS_MAX),
    size: number("size", PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN),
    rate: number("rate"),
    tasks: number("tasks", TASKS_MAX),
    times: number("times"),
    seconds: number("seconds"),
    warmSeconds: number("warm-seconds"),
    quick: values.quick,
    node: values.node === undefined ? process.execPath : executable(values.node),
    profile: values.profile,
    help: values.help,
  };
}

function parse(/** @type {string[]} */ args) {
  try {
    return parseArgs({ args, options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new UsageError(/** @type {Error} */ (error).message);
  }
}

function whole(
  /** @type {string} */ name,
  /** @type {string} */ text,
  /** @type {{ min: number, max: number }} */ { min, max },
) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`--${name} must be a whole number from ${min} to ${max}, not ${text}`);
}

function oneOf(
  /** @type {string} */ flag,
  /** @type {string} */ value,
  /** @type {string[]} */ allowed,
) {
  if (allowed.includes(value)) return value;
  throw new UsageError(`${flag}: "${value}" is not one of ${allowed.join(", ")}`);
}

function executable(/** @type {string} */ path) {
  const full = resolve(path);
  try {
    accessSync(full, constants.X_OK);
    return full;
  } catch {
    throw new UsageError(`--node: ${full} cannot be executed`);
  }
}
