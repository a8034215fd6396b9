/**
 * Asks before what cannot be taken back. Where nobody can be asked, `--yes` must have been said.
 */
import type { Context } from "./command.ts";
import { CliError, EXIT } from "./exit-status.ts";
import { flagged } from "./values.ts";

/** Returns when it may be done; throws status 1 when the answer is no, 64 when `--yes` lacks. */
export async function confirm({ io, args }: Context, question: string): Promise<void> {
  if (flagged(args, "yes")) return;
  if (!io.canAsk) {
    throw new CliError(EXIT.usage, `${question}\nNobody can be asked here; say --yes to do it.`);
  }
  const answer = (await io.ask(`${question} [y/N] `)).trim().toLowerCase();
  if (answer !== "y" && answer !== "yes") throw new CliError(EXIT.no, "nothing was done");
}
