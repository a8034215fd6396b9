/**
 * 64 bits that stand for a byte string where keeping it would cost too much: the content of a
 * deleted task, the id of a request. Equal strings have equal fingerprints; unequal ones have
 * unequal fingerprints but for an accident of 1 in 2^64, and nothing is lost then but a clear
 * error message.
 */
export interface Fingerprint {
  readonly high: number;
  readonly low: number;
}

export function fingerprint(bytes: Uint8Array): Fingerprint {
  let high = 0x243f6a88 ^ bytes.length;
  let low = 0x13198a2e;
  for (let i = 0; i < bytes.length; i++) {
    high = Math.imul(high ^ bytes[i]!, 0x01000193);
    low = Math.imul(low + bytes[i]! + 1, 0x85ebca6b);
    low ^= low >>> 13;
  }
  high = Math.imul(high ^ (high >>> 15) ^ low, 0xc2b2ae35);
  // Zero is kept for "none".
  return { high: (high ^ (high >>> 16)) >>> 0, low: (low | 1) >>> 0 };
}
