/** How bad things are in a simulation, and the dice that decide when. */

export interface Weather {
  readonly lossRate: number;
  readonly duplicateRate: number;
  readonly delayMaxMs: number;
  readonly diskMaxMs: number;
  /** Per node and step of 5 ms. */
  readonly crashRate: number;
  readonly stallRate: number;
  readonly partitionRate: number;
  /** A node is told that a peer's control stream closed or opened, true or not. */
  readonly streamRate: number;
  /** A node drops the entries of its log that its flushed state covers. */
  readonly compactRate: number;
  /** A leader is told to change the membership, or to hand over. */
  readonly changeRate: number;
  readonly transferRate: number;
  /** A member that is added again comes with an empty disk, as a new incarnation. */
  readonly wipesDisks: boolean;
}

export const FAIR: Weather = {
  lossRate: 0,
  duplicateRate: 0,
  delayMaxMs: 5,
  diskMaxMs: 5,
  crashRate: 0,
  stallRate: 0,
  partitionRate: 0,
  streamRate: 0,
  compactRate: 0,
  changeRate: 0,
  transferRate: 0,
  wipesDisks: false,
};

/** Mulberry32: small, seedable, good enough to stir a schedule. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
