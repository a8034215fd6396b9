/**
 * The setting of API keys: a list in YAML, or the same as JSON in a variable. Only hashes stand
 * there, and they are shown nowhere again: neither in messages nor in the log.
 */
import type { KeyObject } from "node:crypto";
import { didYouMean } from "task-queue-protocol";
import { API_KEYS_MAX } from "../operations/limits.ts";
import { PERMISSIONS, type Permission } from "../operations/permissions.ts";
import { type Kind, NotAllowed } from "./kinds.ts";
import { type Rate, readRate } from "./rate.ts";

export interface ApiKey {
  /** For the log and for refusals; `key-2` for the second one if it has no other. */
  readonly name: string;
  /** As bcrypt writes it. */
  readonly hash: string;
  readonly permissions: readonly Permission[];
  /** Read when all settings are together. */
  readonly signingSecretFile?: string | undefined;
  /** Whoever has it may sign requests with it. */
  readonly signingSecret?: KeyObject | undefined;
  /** Undefined: as much as it likes. */
  readonly rate?: Rate | undefined;
}

/** Whom a broker lets in by its file, and how much it lets others ask for. */
export interface KeySettings {
  readonly keys: readonly ApiKey[];
  /** Of keys that the file does not name. Undefined: as much as they like. */
  readonly defaultRate?: Rate | undefined;
}

/** One check of a key may cost as much as all hashes together: a cost of 12 takes 0.2 s. */
const COST_MAX = 12;
/** Below it a stolen hash is soon guessed. */
const COST_MIN_SAFE = 10;
const HASH = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const FIELDS = [
  "name",
  "key_hash",
  "permissions",
  "rate_per_second",
  "burst",
  "signing_secret_file",
];
const ALLOWED =
  `a list of up to ${API_KEYS_MAX} keys, each with key_hash, permissions and a name, and with ` +
  "rate_per_second and burst if it is to be limited, and signing_secret_file if it may sign";

export function apiKeys(): Kind<readonly ApiKey[]> {
  return {
    allowed: ALLOWED,
    secret: true,
    parse: readKeys,
    format: (keys) => `[${keys.map(({ name }) => name).join(", ")}]`,
  };
}

/** Names of keys whose hashes are cheap to guess from. */
export function cheapKeys(keys: readonly ApiKey[]): string[] {
  return keys.filter(({ hash }) => costOf(hash) < COST_MIN_SAFE).map(({ name }) => name);
}

function readKeys(value: unknown): readonly ApiKey[] {
  const items = typeof value === "string" ? parseJson(value) : value;
  if (!Array.isArray(items)) throw new NotAllowed(`allowed is ${ALLOWED}`);
  if (items.length > API_KEYS_MAX) {
    throw new NotAllowed(
      `${items.length} keys; a check tries each, so there may be ${API_KEYS_MAX}`,
    );
  }
  const keys = items.map(readPlaced);
  for (const [at, key] of keys.entries()) {
    const twin = keys.findIndex(({ name, hash }) => name === key.name || hash === key.hash);
    if (twin === at) continue;
    const what = keys[twin]!.name === key.name ? `the name ${key.name}` : "the hash";
    throw new NotAllowed(`${what} of api_keys[${at}] is that of api_keys[${twin}] too`, at);
  }
  return keys;
}

function readPlaced(item: unknown, at: number): ApiKey {
  try {
    return readKey(item, at);
  } catch (error) {
    throw error instanceof NotAllowed ? new NotAllowed(error.message, at) : error;
  }
}

function readKey(item: unknown, at: number): ApiKey {
  const where = `api_keys[${at}]`;
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    throw new NotAllowed(`${where}: key_hash and permissions are expected below it`);
  }
  const stray = Object.keys(item).find((field) => !FIELDS.includes(field));
  if (stray !== undefined) {
    const guess = didYouMean(stray, FIELDS);
    throw new NotAllowed(`${where}: there is no ${stray}, but ${FIELDS.join(", ")}.${guess}`);
  }
  const fields = item as Record<string, unknown>;
  const { name = `key-${at + 1}`, key_hash, permissions } = fields;
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new NotAllowed(`${where}.name: 1 to 64 of A-Z a-z 0-9 . _ -`);
  }
  return {
    name,
    hash: readHash(key_hash, `${where}.key_hash`),
    permissions: readPermissions(permissions, `${where}.permissions`),
    signingSecretFile: readPath(fields["signing_secret_file"], `${where}.signing_secret_file`),
    rate: readRate(fields["rate_per_second"], fields["burst"], where),
  };
}

function readHash(value: unknown, where: string): string {
  if (typeof value !== "string" || !HASH.test(value)) {
    const how = "$2a$, $2b$ or $2y$, the cost, and 53 characters; tq-admin keys hash makes one";
    throw new NotAllowed(`${where}: this is no bcrypt hash: ${how}`);
  }
  const cost = costOf(value);
  if (cost >= 4 && cost <= COST_MAX) return value;
  throw new NotAllowed(`${where}: its cost is ${cost}; from 4 to ${COST_MAX} are allowed`);
}

function readPath(value: unknown, where: string): string | undefined {
  if (value === undefined || (typeof value === "string" && /\S/.test(value))) return value;
  throw new NotAllowed(`${where}: the path of a file`);
}

function readPermissions(value: unknown, where: string): readonly Permission[] {
  const known = PERMISSIONS.join(", ");
  if (!Array.isArray(value) || value.length === 0) {
    throw new NotAllowed(`${where}: a list with one or more of ${known}`);
  }
  return value.map((text: unknown, at) => {
    const found = PERMISSIONS.find((permission) => permission === text);
    if (found !== undefined) return found;
    const guess = typeof text === "string" ? didYouMean(text, PERMISSIONS) : "";
    throw new NotAllowed(
      `${where}[${at}]: there is no such permission; there are ${known}.${guess}`,
    );
  });
}

function costOf(hash: string): number {
  return Number(HASH.exec(hash)?.[1]);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
