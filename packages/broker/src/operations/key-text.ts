/**
 * An access key as a text: `tq_<id>_<secret>`. The id, 32 hexadecimal digits, is how the cluster
 * finds the key's record, and no secret. The secret is drawn here, is shown once, and is kept
 * nowhere: of it there is a digest only. So many random characters need no slow hash to be safe
 * from guessing, and a check costs next to nothing.
 */
import { createHash, randomBytes, randomInt } from "node:crypto";

export const KEY_NAME = /^[A-Za-z0-9._-]{1,64}$/;

const ID_BYTES = 16;
const SECRET_LENGTH = 43;
/** Letters and digits: 43 of them are a little more than 256 bits. */
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const TEXT = /^tq_([0-9a-f]{32})_([0-9A-Za-z]{43})$/;
const WITHIN = /tq_([0-9a-f]{32})_[0-9A-Za-z]+/g;

export interface NewKey {
  readonly id: Uint8Array;
  readonly text: string;
  readonly verifier: Uint8Array;
}

export function drawKey(): NewKey {
  const id = randomBytes(ID_BYTES);
  const letters = Array.from({ length: SECRET_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]);
  const secret = letters.join("");
  const text = `tq_${id.toString("hex")}_${secret}`;
  return { id: Uint8Array.from(id), text, verifier: verifierOf(secret) };
}

/** undefined: it is a key of another kind. */
export function parseKeyText(
  text: string,
): { readonly id: string; readonly secret: string } | undefined {
  const [, id, secret] = TEXT.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** What stands in a record for the secret. */
export function verifierOf(secret: string): Uint8Array {
  return Uint8Array.from(createHash("sha256").update(secret).digest());
}

/** The same text fit for a log: somebody may put a whole key where its id belongs. */
export function withoutSecrets(text: string): string {
  return text.replace(WITHIN, "tq_$1_…");
}
