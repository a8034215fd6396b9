/**
 * What SIGHUP does to the settings: they are read again from where they came, and the log level and
 * the API keys are put in force. A file that has become wrong changes nothing. What else differs
 * waits for the next start, and is named, so that nobody takes it for done.
 */
import { isDeepStrictEqual } from "node:util";
import type { KeySettings } from "./config/api-keys.ts";
import type { Config, LogLevel, Said } from "./config/config.ts";
import { ConfigError } from "./config/config-error.ts";
import { type ConfigSources, loadConfig } from "./config/load-config.ts";
import type { NodeLogger } from "./observe/logger.ts";

const AT_ONCE = new Set([
  "monitoring.log_level",
  "auth.api_keys",
  "auth.default_rate_per_second",
  "auth.default_burst",
]);

/** Whom a reload concerns. */
export interface Reloaded {
  replaceKeys(settings: KeySettings): void;
  /** Told of each, for the audit log. */
  noted?(deed: { readonly outcome?: string; readonly detail?: string | undefined }): void;
}

/** To be called at each signal. `started`: what the broker runs with. */
export function reloader(
  started: Config,
  sources: ConfigSources,
  log: NodeLogger,
  { replaceKeys, noted = () => {} }: Reloaded,
): () => void {
  let level: LogLevel = started.monitoring.logLevel;
  return () => {
    const next = loadedOrRefused(sources, log);
    if (next === undefined) return noted({ outcome: "invalid_request" });
    noted({ detail: changedKeys(started, next) });
    const later = differing(started.said, next.said).filter((key) => !AT_ONCE.has(key));
    if (later.length > 0) log.warn({ keys: later }, "changed settings wait for the next start");
    // Whoever turns keys off for the next start may have taken them out of the file already.
    if (next.auth.enabled) replaceKeys(next.auth);
    const { logLevel } = next.monitoring;
    if (logLevel === level) return;
    // Said whichever of the two levels would hide it.
    log.setLevel("info");
    log.info({ from: level, to: logLevel }, "log level changed");
    log.setLevel(logLevel);
    level = logLevel;
  };
}

function loadedOrRefused(sources: ConfigSources, log: NodeLogger): Config | undefined {
  try {
    return loadConfig(sources);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const problems = error.message.split("\n");
    log.error({ problems }, "the settings have become wrong; nothing of them is in force");
    return undefined;
  }
}

/** What is otherwise than at the start, by name; a value may be a secret. */
function changedKeys(started: Config, next: Config): string | undefined {
  const keys = differing(started.said, next.said);
  return keys.length === 0 ? undefined : `changed: ${keys.join(" ")}`;
}

function differing(a: ReadonlyMap<string, Said>, b: ReadonlyMap<string, Said>): string[] {
  const keys = [...new Set([...a.keys(), ...b.keys()])];
  return keys.filter((key) => !isDeepStrictEqual(a.get(key)?.value, b.get(key)?.value));
}
