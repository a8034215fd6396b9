/** The smallest key above `key`: where a scan goes on that has read up to it. */
export function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
