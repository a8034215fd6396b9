/** Small values of the fake cluster: ids as text, answers that outlive their bytes, lists by key. */
import type { Accepted, Reply } from "../../src/queue/index.ts";

/** The text under which a test finds an id again. */
export function key(id: Uint8Array): string {
  return Buffer.from(id).toString("hex");
}

export function copied(reply: Reply): Reply {
  const { id } = reply as Accepted;
  return id === undefined ? reply : { ...(reply as Accepted), id: id.slice() };
}

export function add<T>(map: Map<string, T[]>, under: string, value: T): void {
  const values = map.get(under);
  if (values === undefined) map.set(under, [value]);
  else values.push(value);
}
