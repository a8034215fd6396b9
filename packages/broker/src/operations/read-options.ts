/**
 * How fresh a read must be. Linearizable is the default, because it is what a caller who says
 * nothing expects; a minimum index gives read-your-writes on any node.
 */
import { TqError } from "task-queue-protocol";
import type { Broker, Consistency } from "./broker.ts";
import { shown } from "./invalid.ts";
import type { Fields } from "./read-fields.ts";

export interface ReadOptions {
  readonly consistency: Consistency;
  /** The read sees at least everything up to this log index. */
  readonly minIndex?: number | undefined;
}

/** What a verb found, and the log index at which it was true. */
export interface Answer<T> {
  readonly value: T;
  readonly index: number;
}

const CONSISTENCIES = ["linearizable", "stale"] as const;

/** `consistency` of a request's parameters. */
export function readOptions(fields: Fields, minIndex?: number): ReadOptions {
  return { consistency: fields.oneOf("consistency", CONSISTENCIES) ?? "linearizable", minIndex };
}

/** Waits until this node may answer; resolves with its applied index. */
export function barrier(broker: Broker, read: ReadOptions): Promise<number> {
  return broker.readBarrier(read.consistency, read.minIndex);
}

/** A read-index header or parameter as a number. */
export function parseIndex(text: string, field: string): number {
  const index = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(index)) return index;
  const expected = "send the number that an earlier answer carried in this field";
  throw new TqError("invalid_request", `${field}: ${shown(text)} is no log index; ${expected}`, {
    field,
  });
}
