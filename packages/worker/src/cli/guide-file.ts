/**
 * The file that guides write for brokers and workers alike, as `--config` of a worker meets it: the
 * options stand in its section `worker`, and all other sections are for the broker.
 */

/** Of `tq-broker`. What no program has is a mistake here as there. */
const BROKER_SECTIONS: ReadonlySet<string> = new Set([
  "broker",
  "persistence",
  "raft",
  "api",
  "auth",
  "security",
  "monitoring",
  "retry",
  "backup",
  "audit",
]);

export const WORKER_SECTION = "worker";

/** The keys of that section, and the flags that they are. */
const OPTIONS: ReadonlyMap<string, string> = new Map([
  ["concurrency", "concurrency"],
  ["pool_size", "concurrency"],
  ["prefetch", "prefetch"],
  ["heartbeat_interval_secs", "heartbeat-interval-secs"],
  ["queues", "queues"],
  ["types", "types"],
  ["handlers", "handlers"],
]);

/** Keys that are no worker's, and what does what they say. */
const WITHOUT_EFFECT: ReadonlyMap<string, string> = new Map([
  ["lease_timeout_secs", "it is the broker's, which tells it to each worker"],
  ["timeout", "how long a run may take is timeout_ms of its task"],
]);

export function isBrokerSection(name: string): boolean {
  return BROKER_SECTIONS.has(name);
}

/** undefined: a worker takes no such key. */
export function optionOf(key: string): string | undefined {
  return OPTIONS.get(key);
}

/** Why the key changes nothing; undefined: it is none of those. */
export function reasonWithout(key: string): string | undefined {
  return WITHOUT_EFFECT.get(key);
}

export const WORKER_KEYS: readonly string[] = [...OPTIONS.keys(), ...WITHOUT_EFFECT.keys()];
