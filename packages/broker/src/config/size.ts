/**
 * Amounts of memory or disk as text: `64KB`, `1MiB`, `2GB`. A kilobyte is 1,024 bytes, as in
 * LevelDB.
 */

const UNIT_BYTES = new Map([
  ["b", 1],
  ["kb", 1024],
  ["kib", 1024],
  ["mb", 1024 ** 2],
  ["mib", 1024 ** 2],
  ["gb", 1024 ** 3],
  ["gib", 1024 ** 3],
]);
const SIZE = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i;

/** Bytes, or undefined for text that is no size; a bare number counts bytes. */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text.trim());
  if (match === null) return undefined;
  const unit = match[2] === "" ? 1 : UNIT_BYTES.get(match[2]!.toLowerCase());
  return unit === undefined ? undefined : Math.round(Number(match[1]) * unit);
}

/** The shortest such text that means exactly `bytes`. */
export function formatSize(bytes: number): string {
  for (const [unit, size] of [
    ["GB", 1024 ** 3],
    ["MB", 1024 ** 2],
    ["KB", 1024],
  ] as const) {
    if (bytes !== 0 && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}
