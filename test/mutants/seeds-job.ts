/**
 * A process that runs seeds of the simulator it was compiled with, one after the other, and tells
 * of each. It ends itself at the first violation; whoever started it watches the time.
 */
import { optionsOf, run } from "../simulation/run-seed.ts";
import { type ProfileName, profileOf } from "./profiles.ts";

export interface SeedsOrder {
  readonly profile: ProfileName;
  readonly first: number;
  readonly last: number;
}

export interface SeedReport {
  readonly seed: number;
  /** Of what was broken; undefined: the seed holds. */
  readonly invariant: string | undefined;
  readonly message: string;
}

async function perform({ profile, first, last }: SeedsOrder): Promise<void> {
  for (let seed = first; seed <= last; seed++) {
    const report = runOne(seed, profile);
    await new Promise((resolve) => process.send!(report, resolve));
    if (report.invariant !== undefined) break;
  }
  process.exit();
}

function runOne(seed: number, profile: ProfileName): SeedReport {
  try {
    const { violation } = run(seed, { options: profileOf(profile)(optionsOf(seed)) });
    return { seed, invariant: violation?.invariant, message: violation?.message ?? "" };
  } catch (error) {
    // Outside of any replica: a checker could not make sense of what it saw.
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { seed, invariant: "checkers understand", message };
  }
}

process.on("message", (order) => {
  void perform(order as SeedsOrder);
});
