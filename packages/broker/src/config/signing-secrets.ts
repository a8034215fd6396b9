/**
 * The secrets that keys sign requests with: each in a file of its own, because a configuration that
 * holds only hashes may be shown around, and one with secrets may not.
 */
import { createSecretKey, type KeyObject } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { ApiKey } from "./api-keys.ts";
import type { Collector } from "./collect.ts";
import { otherReaders } from "./file-secrecy.ts";

const SECRET_FILE_BYTES_MAX = 1024;
/** As text, so that it is the same in every language; 32 random bytes in hex have 64 characters. */
const SECRET = /^[\x21-\x7e]{32,256}$/;
const HOW = "32 to 256 printable characters on one line, such as openssl rand -hex 32 writes them";

const KEYS = "auth.api_keys";

/** The same keys with their secrets; what is wrong with a file is told to the collector. */
export function withSigningSecrets(
  keys: readonly ApiKey[],
  collector: Collector,
): readonly ApiKey[] {
  const found = new Map<string, KeyObject>();
  for (const { name, signingSecretFile } of keys) {
    if (signingSecretFile === undefined) continue;
    try {
      const secret = readSecret(resolve(signingSecretFile));
      const twin = [...found].find(([, other]) => other.equals(secret))?.[0];
      // Each could sign in the other's name.
      if (twin !== undefined) throw new Error(`it is the secret of ${twin} too; make another`);
      found.set(name, secret);
    } catch (error) {
      const what = `signing_secret_file of ${name}: ${signingSecretFile}`;
      collector.complain(collector.whereOf(KEYS), KEYS, `${what}: ${(error as Error).message}`);
    }
  }
  return keys.map((key) => ({ ...key, signingSecret: found.get(key.name) }));
}

/** Throws what is wrong; nothing of what is in the file. */
function readSecret(path: string): KeyObject {
  const { size } = statSync(path);
  if (size > SECRET_FILE_BYTES_MAX) throw new Error(`${size} bytes are no secret: ${HOW}`);
  const others = otherReaders(path);
  if (others !== undefined) throw new Error(`${others} can read it; chmod 600 ${path}`);
  const text = readFileSync(path, "latin1").replace(/\r?\n$/, "");
  if (!SECRET.test(text)) throw new Error(`no secret is in it: ${HOW}`);
  return createSecretKey(text, "latin1");
}
