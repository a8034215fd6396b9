/**
 * This node does not have what it has promised to have, or cannot know that it does. It must not
 * take part as it is; whether it comes back by itself is for `beginRecovery` to say.
 */
import { EXIT, StartupError } from "../exit-status.ts";
import { StorageDamage } from "../storage/storage-error.ts";

export class LostData extends StartupError {
  /** What is lost, in a few words. */
  readonly reason: string;
  /** See `Rejoin`. */
  readonly isWhole: boolean;

  constructor(dataDir: string, reason: string, options: { isWhole: boolean; cause?: unknown }) {
    super(EXIT.damagedData, `${dataDir}: ${reason}`, { cause: options.cause });
    this.reason = reason;
    this.isWhole = options.isWhole;
  }
}

/** undefined: this error is about something else. */
export function lostDataIn(error: unknown, dataDir: string): LostData | undefined {
  if (error instanceof LostData) return error;
  if (!(error instanceof StorageDamage)) return undefined;
  const { store, what, where } = error;
  const reason = `${store} damaged: ${what} (${where})`;
  return new LostData(dataDir, reason, { isWhole: false, cause: error });
}
