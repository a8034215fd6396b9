/** `tq-admin` as a process. */
import { PROCESS_IO, STANDARD_OUTPUT } from "./io.ts";
import { run } from "./run.ts";

export async function main(): Promise<void> {
  process.title = "tq-admin";
  STANDARD_OUTPUT.guard((status) => process.exit(status));
  // Set rather than exit: a pipe may still have to take what was written.
  process.exitCode = await run(process.argv.slice(2), PROCESS_IO);
}
