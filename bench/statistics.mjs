/**
 * Percentiles and medians. Everything is computed from all samples, never from samples of samples:
 * an average of percentiles says nothing.
 */

/**
 * The nearest-rank percentile: the smallest sample that at least `share` of all do not exceed.
 * NaN without samples.
 *
 * @param {Float64Array} sorted ascending
 * @param {number} share from 0 to 1
 */
export function percentile(sorted, share) {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/**
 * What a distribution of times is reported as. Throws on a time below zero: then the measurement is
 * wrong, and no figure of it may be shown.
 *
 * @param {Float64Array | number[]} samples in any order; left alone
 */
export function distribution(samples) {
  const sorted = Float64Array.from(samples).sort();
  // NaN is sorted behind all others.
  const impossible = [sorted[0], sorted.at(-1)].find((time) => !(time >= 0));
  if (sorted.length > 0 && impossible !== undefined) {
    throw new RangeError(`a time of ${impossible} ms was measured, which cannot be`);
  }
  return {
    count: sorted.length,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    max: percentile(sorted, 1),
  };
}

/**
 * The median with what surrounds it. An even number of values has the mean of the middle two.
 *
 * @param {number[]} values at least one
 * @returns {{ median: number, min: number, max: number }}
 */
export function spread(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1] };
}
