/**
 * The last step of installing a state, again, if a crash came before it. Installing switches the
 * state first and then makes the log begin behind it; between the two stands the state's pointer,
 * which names the entry. So a log that does not reach that entry yet is an unfinished
 * installation, never a loss.
 */
import type { LogBase, LogStore } from "../ports.ts";
import { StorageDamage } from "./storage-error.ts";

/**
 * Call at every start, before anything is read from the log. True if the log was reset.
 *
 * - The log begins at or behind the installed entry: it was reset, and perhaps compacted since.
 * - It begins before it and holds it, with the same hash over all that came before: the log has
 *   everything (§3.5, Log Matching), and what follows may have been acknowledged. It stays.
 * - It begins before it and does not hold it: it ends before, or has other entries there. Those
 *   were never committed, because the installed one is; all before it is in the state.
 *
 * A log that is older for another reason, such as a restored copy, looks like the last case; then
 * the newest flush of the state vouches for entries that the log lacks: see the boot verdict.
 */
export async function redoReset(log: LogStore, installed: LogBase | undefined): Promise<boolean> {
  if (installed === undefined || log.base.index > installed.index) {
    return false;
  }
  const holds =
    log.last.index >= installed.index && (await log.chainAt(installed.index)) === installed.chain;
  if (holds) {
    return false;
  }
  if (log.base.index === installed.index) {
    const what = `the log begins behind another entry ${installed.index} than the state`;
    throw new StorageDamage("log", { what, where: "log" });
  }
  await log.reset(installed);
  return true;
}
