/**
 * A handler behind the schemas of its type. Tasks outlive deployments: what was a valid payload
 * when it was submitted may be none for the code that runs now, and no retry will change that.
 */
import type { TaskMap } from "task-queue-client";
import { validate } from "task-queue-client/connection";
import { NonRetryable } from "./errors.ts";
import type { AnyHandler } from "./handler.ts";

export function checkedHandler(handler: AnyHandler, spec: TaskMap[string] | undefined): AnyHandler {
  const { payload: payloadSchema, result: resultSchema } = spec ?? {};
  if (payloadSchema === undefined && resultSchema === undefined) return handler;
  return async (payload, ctx) => {
    const received =
      payloadSchema === undefined
        ? payload
        : await validate(payloadSchema, payload, (why) => notAsPromised("payload", ctx.type, why));
    const result = await handler(received, ctx);
    if (resultSchema !== undefined) {
      await validate(resultSchema, result, (why) => notAsPromised("result", ctx.type, why));
    }
    return result;
  };
}

function notAsPromised(what: "payload" | "result", type: string, why: string): NonRetryable {
  return new NonRetryable(`the ${what} is not that of a task "${type}": ${why}`);
}
