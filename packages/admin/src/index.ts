/** tq-admin as a function: `run(argv, io)` answers the exit status. */
export { EXIT } from "./exit-status.ts";
export { type AdminClient, type ConnectOptions, type Io, PROCESS_IO } from "./io.ts";
export { run } from "./run.ts";
