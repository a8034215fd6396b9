/** What a setting is: a line of the schema. */
import type { Kind } from "./kinds.ts";

export interface Key<T> {
  readonly kind: Kind<T>;
  /** undefined: worked out from other settings, as `doc` says. */
  readonly default: T | undefined;
  /** One or two sentences for the reference. */
  readonly doc: string;
  /** Why it does nothing in this program: said once in the log when the key is set. */
  readonly without?: string;
}

export interface Fixed<T> extends Key<T> {
  readonly default: T;
}

export interface Derived<T> extends Key<T> {
  readonly default: undefined;
}

/** With a default of its own. */
export function key<T>(
  kind: Kind<T>,
  fallback: NoInfer<T>,
  doc: string,
  without?: string,
): Fixed<T> {
  const base = { kind, default: fallback, doc };
  return without === undefined ? base : { ...base, without };
}

/** Without one. */
export function derived<T>(kind: Kind<T>, doc: string, without?: string): Derived<T> {
  const base = { kind, default: undefined, doc };
  return without === undefined ? base : { ...base, without };
}
