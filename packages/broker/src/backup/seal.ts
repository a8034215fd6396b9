/**
 * Encryption of a file, in a layer of its own: what is inside is known only to who has the key.
 *
 *     "TQSEALED" | version u16 | salt, 16 bytes
 *     flag and length u32 | ciphertext | tag, 16 bytes          repeated
 *
 * AES-256-GCM under a key that HKDF-SHA256 derives from the key and the salt, so that no two files
 * share one. A chunk's nonce is its number, its flag says whether it is the last, and both, with
 * the salt, are what its tag vouches for: chunks that are missing, moved, or from another file do
 * not open.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { SnapshotDamage } from "../snapshots/frame-reader.ts";
import { CHUNK_BYTES } from "./limits.ts";

export const SEAL_MAGIC = "TQSEALED";
export const KEY_BYTES = 32;
const VERSION = 1;
const SALT_BYTES = 16;
const HEAD_BYTES = SEAL_MAGIC.length + 2 + SALT_BYTES;
const LENGTH_BYTES = 4;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
/** In the length field of the last chunk. */
const LAST = 0x8000_0000;
const CIPHER = "aes-256-gcm";

/** The key does not open it, or somebody has changed it: the two look the same. */
const UNOPENED = "the key is not the one it was encrypted with, or its bytes were changed";

export async function* seal(
  bytes: AsyncIterable<Uint8Array>,
  key: Uint8Array,
): AsyncGenerator<Uint8Array> {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(SEAL_MAGIC, "latin1");
  head.writeUInt16BE(VERSION, SEAL_MAGIC.length);
  const salt = randomBytes(SALT_BYTES);
  head.set(salt, SEAL_MAGIC.length + 2);
  yield head;
  const fileKey = fileKeyOf(key, salt);
  let held = Buffer.alloc(0);
  let number = 0;
  for await (const piece of bytes) {
    held = Buffer.concat([held, piece]);
    // One byte at least is kept: the last chunk is not known before the end.
    while (held.length > CHUNK_BYTES) {
      yield sealChunk(fileKey, number++, held.subarray(0, CHUNK_BYTES), false);
      held = held.subarray(CHUNK_BYTES);
    }
  }
  yield sealChunk(fileKey, number, held, true);
}

/** What was sealed. Throws `SnapshotDamage`. */
export async function* unseal(
  bytes: AsyncIterable<Uint8Array>,
  key: Uint8Array,
): AsyncGenerator<Uint8Array> {
  let held = Buffer.alloc(0);
  let fileKey: Uint8Array | undefined;
  let number = 0;
  let ended = false;
  for await (const piece of bytes) {
    if (ended) throw new SnapshotDamage("it goes on after its end");
    held = Buffer.concat([held, piece]);
    if (fileKey === undefined) {
      if (held.length < HEAD_BYTES) continue;
      fileKey = fileKeyOf(key, saltOf(held));
      held = held.subarray(HEAD_BYTES);
    }
    for (let chunk = chunkIn(held); chunk !== undefined && !ended; chunk = chunkIn(held)) {
      held = held.subarray(chunk.length);
      const opened = openChunk(fileKey, number++, chunk);
      ended = opened.isLast;
      yield opened.bytes;
    }
    if (ended && held.length > 0) throw new SnapshotDamage("it goes on after its end");
  }
  if (!ended) throw new SnapshotDamage("it is cut short");
}

function saltOf(head: Buffer): Uint8Array {
  if (head.toString("latin1", 0, SEAL_MAGIC.length) !== SEAL_MAGIC) {
    throw new SnapshotDamage("it does not begin as an encrypted one");
  }
  const version = head.readUInt16BE(SEAL_MAGIC.length);
  if (version !== VERSION) {
    throw new SnapshotDamage(
      `its encryption has version ${version}, this program knows ${VERSION}: ` +
        "use the one that wrote it",
    );
  }
  return head.subarray(SEAL_MAGIC.length + 2, HEAD_BYTES);
}

function fileKeyOf(key: Uint8Array, salt: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key, salt, `${SEAL_MAGIC} ${VERSION}`, KEY_BYTES));
}

function sealChunk(key: Uint8Array, number: number, bytes: Uint8Array, isLast: boolean): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE((isLast ? LAST : 0) + bytes.length);
  const cipher = createCipheriv(CIPHER, key, nonceOf(number));
  cipher.setAAD(length);
  const sealed = [cipher.update(bytes), cipher.final()];
  return Buffer.concat([length, ...sealed, cipher.getAuthTag()]);
}

/** The first chunk, with its length and its tag; undefined: it is not whole yet. */
function chunkIn(held: Buffer): Buffer | undefined {
  if (held.length < LENGTH_BYTES) return undefined;
  const size = held.readUInt32BE() % LAST;
  if (size > CHUNK_BYTES) throw new SnapshotDamage(`a chunk of ${size} bytes`);
  const whole = LENGTH_BYTES + size + TAG_BYTES;
  return held.length < whole ? undefined : held.subarray(0, whole);
}

function openChunk(key: Uint8Array, number: number, chunk: Buffer) {
  const length = chunk.subarray(0, LENGTH_BYTES);
  const tagAt = chunk.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, nonceOf(number), { authTagLength: TAG_BYTES });
  decipher.setAAD(length);
  decipher.setAuthTag(chunk.subarray(tagAt));
  try {
    const opened = [decipher.update(chunk.subarray(LENGTH_BYTES, tagAt)), decipher.final()];
    return { bytes: Buffer.concat(opened), isLast: length.readUInt32BE() >= LAST };
  } catch (cause) {
    throw new SnapshotDamage(UNOPENED, { cause });
  }
}

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(number, NONCE_BYTES - 6, 6);
  return nonce;
}
