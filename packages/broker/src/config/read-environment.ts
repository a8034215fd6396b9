/**
 * Settings in environment variables: `TQ_` and the key in capitals, `__` between section and name.
 * Only names with `__` are looked at, so that TQ_API_KEY and the like stay free for other programs.
 * A variable that is empty counts as not set, as a Compose file has it.
 */
import type { Collector } from "./collect.ts";
import { ENVIRONMENT_SYNONYMS } from "./schema.ts";

const SECONDS: ReadonlySet<string> = new Set(["retry.initial_delay", "retry.max_delay"]);

export function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  collector: Collector,
): void {
  for (const [name, key] of ENVIRONMENT_SYNONYMS) {
    const value = env[name];
    if (value === undefined || value === "") continue;
    const seconds = SECONDS.has(key) && /^\d+(\.\d+)?$/.test(value);
    collector.put(key, seconds ? `${value}s` : value, `environment ${name}`);
  }
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith("TQ_") || !name.includes("__")) continue;
    if (value === undefined || value === "") continue;
    const key = name.slice("TQ_".length).toLowerCase().replace("__", ".");
    collector.put(key, value, `environment ${name}`);
  }
}
