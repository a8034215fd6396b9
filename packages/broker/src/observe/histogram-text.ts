/**
 * A histogram in Prometheus' text format whose classes were counted elsewhere, which its library
 * cannot be told of. See https://prometheus.io/docs/instrumenting/exposition_formats/
 */

export interface HistogramSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** One for each upper end, and behind them what is larger; not cumulative. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Empty without series: a family without samples says nothing. */
export function histogramText(
  name: string,
  help: string,
  ends: readonly number[],
  series: readonly HistogramSeries[],
): string {
  if (series.length === 0) return "";
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  for (const { labels, counts, sum } of series) {
    const own = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`);
    let total = 0;
    for (const [at, count] of counts.entries()) {
      total += count;
      const end = [...own, `le="${ends[at] ?? "+Inf"}"`].join(",");
      lines.push(`${name}_bucket{${end}} ${total}`);
    }
    lines.push(`${name}_sum{${own.join(",")}} ${sum}`);
    lines.push(`${name}_count{${own.join(",")}} ${total}`);
  }
  return `${lines.join("\n")}\n`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
