/** The demo's own handler; webhooks are posted by the `http` handler that tq-worker brings along. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/** Reads one file and says what is in it: size, lines, words and SHA-256. */
async function indexFile({ path }, { signal }) {
  const hash = createHash("sha256");
  let bytes = 0;
  let lines = 0;
  let words = 0;
  let inWord = false;
  for await (const chunk of createReadStream(path, { signal })) {
    hash.update(chunk);
    bytes += chunk.length;
    for (const byte of chunk) {
      if (byte === 0x0a) lines++;
      const isSpace = byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
      if (!isSpace && !inWord) words++;
      inWord = !isSpace;
    }
  }
  return { path, bytes, lines, words, sha256: hash.digest("hex") };
}

export const handlers = { "file.index": indexFile };
