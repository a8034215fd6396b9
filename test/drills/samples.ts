/** Times in milliseconds, summed up from all samples. */

/** The nearest-rank percentile: the smallest sample that at least `share` of all do not exceed. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function describeSamples(what: string, samples: readonly number[]): string {
  const at = (share: number) => `${Math.round(percentile(samples, share))} ms`;
  const spread = `median ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, worst ${at(1)}`;
  return `${what}: ${spread} (${samples.length} samples)`;
}
