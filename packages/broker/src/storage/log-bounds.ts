/**
 * The two records that say where the log begins and where it ends. All else about it is read
 * between these bounds.
 */
import { decodeEnd, END_KEY, type EndMarker } from "./end-marker.ts";
import { entryKey } from "./entry-record.ts";
import type { Level } from "./level.ts";
import { BASE_KEY, type BaseRecord, decodeBase, FIRST_BASE } from "./log-base.ts";
import { StorageDamage } from "./storage-error.ts";

export interface LogBounds {
  readonly base: BaseRecord;
  readonly end: EndMarker;
}

/** Undefined for a database without any record; throws `StorageDamage` for a damaged one. */
export async function readBounds(level: Level): Promise<LogBounds | undefined> {
  const damage = (what: string, cause?: unknown) =>
    new StorageDamage("log", { what, where: level.location }, cause);
  const unreadable = (error: unknown) => {
    throw damage("it cannot be read", error);
  };
  const records = await level
    .iterator({ lt: entryKey(0), limit: 3 })
    .all()
    .catch(unreadable);
  let base: BaseRecord | string = FIRST_BASE;
  let end: EndMarker | string = "the end marker is missing";
  for (const [key, value] of records) {
    if (key.equals(BASE_KEY)) {
      base = decodeBase(value);
    } else if (key.equals(END_KEY)) {
      end = decodeEnd(value);
    } else {
      throw damage(`there is a foreign record, key ${key.toString("hex")}`);
    }
  }
  if (records.length === 0 && (await level.keys({ limit: 1 }).all()).length === 0) {
    return undefined;
  }
  if (typeof base === "string" || typeof end === "string") {
    throw damage(typeof base === "string" ? base : (end as string));
  }
  if (end.last.index < base.index) {
    throw damage(`it ends at entry ${end.last.index}, before it begins behind ${base.index}`);
  }
  return { base, end };
}
