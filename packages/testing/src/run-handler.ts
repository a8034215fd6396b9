/** One handler without any broker: for tests of what it does with a payload. */
import type { Handler, Logger, TaskContext } from "task-queue-worker";
import { uuidv7 } from "uuidv7";

export interface HandlerRun<Result, Progress> {
  readonly result: Result;
  readonly progress: readonly Progress[];
  /** `level message`, one for each line. */
  readonly log: readonly string[];
  /** Tasks that it wants made. */
  readonly submitted: readonly { readonly type: string; readonly payload: unknown }[];
}

/** Rejects with what the handler throws. `ctx`: what the handler is to see of its task. */
export async function runHandler<Payload, Result, Progress = unknown>(
  handler: Handler<Payload, Result, Progress>,
  payload: Payload,
  ctx: Partial<TaskContext<Progress>> = {},
): Promise<HandlerRun<Result, Progress>> {
  const progress: Progress[] = [];
  const log: string[] = [];
  const submitted: { type: string; payload: unknown }[] = [];
  const context: TaskContext<Progress> = {
    ...PLAIN,
    id: uuidv7(),
    createdAt: new Date(),
    signal: new AbortController().signal,
    log: logTo(log),
    progress: (value) => void progress.push(value),
    submit: (type, childPayload) => {
      submitted.push({ type, payload: childPayload });
      return uuidv7();
    },
    extend: async () => {},
    ...ctx,
  };
  return { result: await handler(payload, context), progress, log, submitted };
}

const PLAIN = {
  type: "test",
  queue: "default",
  attempt: 1,
  maxRetries: 3,
  token: 1n,
  priority: "normal",
  tags: [],
  metadata: {},
  traceparent: "",
} as const;

function logTo(lines: string[]): Logger {
  const at = (level: string) => (_fields: object, message: string) => {
    lines.push(`${level} ${message}`);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
