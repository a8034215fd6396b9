/**
 * Middleware as koa has it: functions, each given what is under way and how to go on, so that it
 * sees both sides. The first one is the outermost; what it throws is how the whole ends.
 */

export type Middleware<Context> = (context: Context, next: () => Promise<void>) => unknown;

/** A program in plain JavaScript may pass anything. */
export function demandMiddleware(middleware: unknown): void {
  if (typeof middleware === "function") return;
  throw new TypeError(`use() takes a function (it, next) => …; this is: ${typeof middleware}`);
}

/**
 * Resolves when all of them have ended, with `core` inside of the last unless one went no further.
 */
export async function runThrough<Context>(
  middleware: readonly Middleware<Context>[],
  context: Context,
  core: () => Promise<void>,
): Promise<void> {
  const goOn = async (at: number): Promise<void> => {
    const step = middleware[at];
    if (step === undefined) return await core();
    let behind: "unasked" | "running" | "over" = "unasked";
    let isOver = false;
    const proceed = async (): Promise<void> => {
      if (isOver) throw new Error("middleware called next() after it had ended");
      if (behind !== "unasked") throw new Error("middleware called next() twice");
      behind = "running";
      try {
        await goOn(at + 1);
      } finally {
        behind = "over";
      }
    };
    const next = (): Promise<void> => {
      const proceeded = proceed();
      // Nobody may be waiting for it, which must not end the process.
      proceeded.catch(() => {});
      return proceeded;
    };
    try {
      await step(context, next);
    } finally {
      // Who waits for the whole has been told by then how it went.
      isOver = true;
    }
    // What goes on behind its back would be told of before it has ended.
    if ((behind as string) === "running") throw new Error("middleware must await next()");
  };
  await goOn(0);
}
