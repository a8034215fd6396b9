/** Which addresses count as one where the door is held for each of them alike. */

/**
 * An IPv4 address, or the first half of an IPv6 address: whoever has one of the latter has all that
 * begin like it.
 */
export function groupOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.replace(/%.*$/, "").split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  const all = [...front, ...new Array<string>(Math.max(0, zeros)).fill("0"), ...back];
  return all.slice(0, 4).join(":");
}
