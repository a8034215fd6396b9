/**
 * How deep objects and arrays lie inside each other. Looked at before anything walks the value by
 * recursion (as `JSON.stringify` does), so that a hostile document cannot exhaust the stack.
 */

/** True when `value` nests deeper than `max`: `{}` has depth 1, `{"a":[]}` 2, a plain value 0. */
export function nestsDeeperThan(value: unknown, max: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (max === 0) return true;
  const children = Array.isArray(value) ? value : Object.values(value);
  for (const child of children) if (nestsDeeperThan(child, max - 1)) return true;
  return false;
}
