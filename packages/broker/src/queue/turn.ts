/**
 * Turns as numbers: start-time fair queueing (Goyal, Vin and Cheng, 1996) in integers. Who is
 * served goes on by a step that is the shorter the greater its weight; the smallest turn is next.
 */

/** Divided by every weight up to 16 without a rest; for others a step is off by 0.14 % at most. */
const SCALE = 720_720;

/** So far behind, in tasks of weight 1, may a queue or group be that is served; see `limitLag`. */
export const LAG_MAX = 1000 * SCALE;

/** Turns beyond this are brought back to 0, all together, before they could lose precision. */
export const TURN_MAX = 2 ** 51;

export function stepOf(weight: number): number {
  return Math.floor(SCALE / weight);
}
