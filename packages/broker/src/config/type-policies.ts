/**
 * The setting of retry policies by task type: a map in YAML, or the same as JSON in a variable.
 * Each policy has the keys of the section it stands in, and those that only a type has.
 */
import { parseDuration } from "task-queue-protocol";
import { RETRY_DELAYS_MAX } from "../operations/limits.ts";
import { BACKOFFS, type RetryPolicy } from "../queue/index.ts";
import { decimal, duration, integer, type Kind, list, NotAllowed, oneOf, share } from "./kinds.ts";

export type TypePolicies = ReadonlyMap<string, Partial<RetryPolicy>>;

const YEAR_MS = 365 * 24 * 60 * 60 * 1000;
const TYPES_MAX = 1_000;
const NAME = /^[A-Za-z0-9._:-]{1,200}$/;
const wait = duration({ min: 0, max: YEAR_MS });
const ALLOWED =
  "a map from type names to policies with max_retries, backoff, initial_delay, " +
  "backoff_multiplier, max_delay, delays and jitter";

const READERS: Readonly<Record<string, (value: unknown) => Partial<RetryPolicy>>> = {
  max_retries: (value) => ({ maxRetries: integer({ min: 0, max: 1000 }).parse(value) }),
  backoff: (value) => ({ backoff: oneOf(BACKOFFS).parse(value) }),
  initial_delay: (value) => ({ initialDelayMs: wait.parse(value) }),
  backoff_multiplier: (value) => ({ multiplier: decimal({ min: 1, max: 100 }).parse(value) }),
  max_delay: (value) => ({ maxDelayMs: wait.parse(value) }),
  delays: (value) => ({ backoff: "list", delaysMs: readDelays(value) }),
  jitter: readJitter,
};

/** Policies by type name; what one leaves open is as the section says. */
export function typePolicies(): Kind<TypePolicies> {
  return {
    allowed: ALLOWED,
    schema: { type: ["object", "string"], additionalProperties: { type: "object" } },
    parse(value) {
      const given = Object.entries(toMap(value, ALLOWED));
      if (given.length > TYPES_MAX) throw new NotAllowed(`at most ${TYPES_MAX} types`);
      return new Map(given.map(([type, policy]) => [type, readPolicy(type, policy)]));
    },
    format: (value) => (value.size === 0 ? "{}" : `(of ${[...value.keys()].join(", ")})`),
  };
}

function readPolicy(type: string, value: unknown): Partial<RetryPolicy> {
  if (!NAME.test(type)) throw new NotAllowed(`${ALLOWED}; "${type}" is not the name of a type`);
  const given = toMap(value, ALLOWED);
  const policy: Partial<RetryPolicy> = {};
  for (const [name, part] of Object.entries(given)) {
    const read = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    const known = Object.keys(READERS).join(", ");
    if (read === undefined) throw new NotAllowed(`for ${type}: ${known}, but not ${name}`);
    try {
      Object.assign(policy, read(part));
    } catch (error) {
      if (!(error instanceof NotAllowed)) throw error;
      throw new NotAllowed(`for ${name} of ${type}: ${error.message}`);
    }
  }
  checkBackoff(type, given, policy);
  return policy;
}

function checkBackoff(type: string, given: object, { delaysMs }: Partial<RetryPolicy>): void {
  const { backoff } = given as { backoff?: unknown };
  const isList = delaysMs !== undefined;
  if (backoff === undefined || (backoff === "list") === isList) return;
  throw new NotAllowed(`for ${type}: delays with backoff list, and only with that`);
}

function readDelays(value: unknown): readonly number[] {
  const texts = list("durations such as 5s").parse(value);
  const allowed = `1 to ${RETRY_DELAYS_MAX} durations such as 5s`;
  if (texts.length < 1 || texts.length > RETRY_DELAYS_MAX) throw new NotAllowed(allowed);
  return texts.map((text) => {
    const ms = parseDuration(text);
    if (ms === undefined || ms > YEAR_MS) throw new NotAllowed(allowed);
    return ms;
  });
}

function readJitter(value: unknown): Partial<RetryPolicy> {
  if (value === "none") return { jitter: 0 };
  if (value === "full" || value === "equal") return { jitterKind: value };
  try {
    return { jitter: share().parse(value) };
  } catch (error) {
    if (!(error instanceof NotAllowed)) throw error;
    throw new NotAllowed(`${error.message}, none, full or equal`);
  }
}

function toMap(value: unknown, allowed: string): object {
  const given = typeof value === "string" ? parseJson(value) : value;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new NotAllowed(allowed);
  }
  return given;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
