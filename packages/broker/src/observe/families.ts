/** How families of figures are made: each in the registry of one broker, and in no other one. */
import { Counter, Gauge, type Registry } from "prom-client";

export function gauge<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[] = [],
): Gauge<L> {
  return new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
}

export function counter(registry: Registry, name: string, help: string): Counter {
  return labelledCounter(registry, name, help, []);
}

export function labelledCounter<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[],
): Counter<L> {
  return new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
}

/** The count is kept elsewhere. */
export function setTotal(total: Counter, value: number): void {
  total.reset();
  total.inc(value);
}
