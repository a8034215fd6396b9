/** What is done around every run: see the client's middleware for how. */
import type { Middleware } from "task-queue-client";
import type { TaskContext } from "./handler.ts";

/** A run as middleware sees it. */
export interface RunContext extends TaskContext {
  /** As the handler will get it; may be replaced before `next()`. */
  payload: unknown;
  /** What the handler answered, from `next()` on; may be replaced. */
  result: unknown;
}

/** Without a call of `next` the handler does not run, and `result` is what it is set to. */
export type RunMiddleware = Middleware<RunContext>;
