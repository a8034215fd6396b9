/** `tq-admin` as a process. */
import { PROCESS_IO } from "./io.ts";
import { run } from "./run.ts";

export async function main(): Promise<void> {
  process.title = "tq-admin";
  // `tq-admin list | head` closes the pipe early, which is no fault.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
  // Set rather than exit: a pipe may still have to take what was written.
  process.exitCode = await run(process.argv.slice(2), PROCESS_IO);
}
