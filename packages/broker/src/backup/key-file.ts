/** The key that a backup is encrypted with: 32 random bytes in a file, as they are or as text. */
import { open } from "node:fs/promises";
import { KEY_FILE_BYTES_MAX } from "./limits.ts";
import { KEY_BYTES } from "./seal.ts";

/** There is no such key, or it is not wanted; the message says nothing of what is in a file. */
export class KeyFileError extends Error {
  override readonly name = "KeyFileError";
}

/** Throws `KeyFileError`, also for a file that cannot be read. */
export async function readKeyFile(path: string): Promise<Uint8Array> {
  const content = await readStart(path).catch((cause) => {
    throw new KeyFileError(`the key file ${path} cannot be read: ${cause.message}`, { cause });
  });
  const key = keyIn(content);
  if (key !== undefined) return key;
  throw new KeyFileError(
    `${path} holds no key: it must be ${KEY_BYTES} random bytes, as they are, in hex or in ` +
      `base64, such as "openssl rand -hex ${KEY_BYTES}" writes them`,
  );
}

function keyIn(content: Buffer): Uint8Array | undefined {
  const text = content.toString("latin1").trim();
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, "hex");
  if (/^[A-Za-z0-9+/]{43}=?$/.test(text)) return Buffer.from(text, "base64");
  return content.length === KEY_BYTES ? content : undefined;
}

/** One byte more than a key file may have is enough to know that it is none. */
async function readStart(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(KEY_FILE_BYTES_MAX + 1));
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
