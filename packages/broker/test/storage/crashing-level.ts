/**
 * A LevelDB whose writes stop at a chosen one, as a crash between any two of them leaves it. Each
 * write is one atomic batch, so these are all the states that a crash can leave, except for
 * batches in the middle that were never synced: those can be left out one by one.
 */
import { ClassicLevel } from "classic-level";
import type { Level } from "../../src/storage/level.ts";

export interface CrashPlan {
  /** So many writes are carried out, all later ones fail. */
  readonly writes: number;
  /** These of the unsynced ones, counted among all from 0, are acknowledged and lost. */
  readonly lost?: (write: number) => boolean;
}

export interface CrashingLevel {
  readonly level: Level;
  /** Begins to count. */
  arm(plan: CrashPlan): void;
  /** Number of operations in each write since then. */
  readonly sizes: readonly number[];
}

export async function openCrashing(path: string): Promise<CrashingLevel> {
  const level: Level = new ClassicLevel(path, {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    compression: false,
  });
  await level.open();
  const sizes: number[] = [];
  let plan: CrashPlan | undefined;
  const begin = level.batch.bind(level) as unknown as () => ReturnType<Level["batch"]>;
  level.batch = (() => {
    const batch = begin();
    const write = batch.write.bind(batch);
    batch.write = (async (options: { readonly sync?: boolean } = {}) => {
      if (plan === undefined) {
        return await write(options);
      }
      const ordinal = sizes.length;
      if (ordinal >= plan.writes) {
        throw new Error("crashed");
      }
      sizes.push(batch.length);
      if (options.sync !== true && plan.lost?.(ordinal) === true) {
        return await batch.close();
      }
      return await write(options);
    }) as typeof batch.write;
    return batch;
  }) as unknown as typeof level.batch;
  return {
    level,
    sizes,
    arm: (armed) => {
      plan = armed;
    },
  };
}
