/**
 * `SubmitStream`: submits as they come, answered in their order. Many are under way at a time, so
 * that they share entries of the log; how many is bounded where they come in, see `Unanswered`.
 */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { TqError } from "task-queue-protocol";
import { type BatchResult, submitBatch } from "../operations/submit.ts";
import type { GrpcContext } from "./context.ts";
import { type Visit, visitOf } from "./gate.ts";
import { SUBMIT_STREAMS_MAX } from "./limits.ts";
import type { SubmitStreamRequest } from "./service.ts";
import { stopping, toStatus } from "./status.ts";
import { orRefusal, toSubmitInput } from "./to-input.ts";
import { toSubmitResult } from "./to-message.ts";
import { whileOpen } from "./while-open.ts";
import { write } from "./write.ts";

type SubmitCall = ServerDuplexStream<SubmitStreamRequest, object>;

/** How the submits of one message ended: with results, or with what ends the stream. */
type Ending = { readonly results: readonly BatchResult[] } | { readonly failure: unknown };

export function submitStream(context: GrpcContext): (call: SubmitCall) => void {
  let streams = 0;
  return (call) => {
    const run = async (over: AbortSignal): Promise<void> => {
      try {
        if (streams >= SUBMIT_STREAMS_MAX) throw tooMany();
        streams++;
        await pump(context, call, over).finally(() => streams--);
        if (context.closing.aborted) throw stopping();
        call.end();
      } catch (error) {
        call.emit("error", toStatus(error, call.getPath(), context.logger));
      }
    };
    void whileOpen(call, context.closing, run);
  };
}

/** Resolves when the sender has ended and all is answered; early when it is over. */
function pump(context: GrpcContext, call: SubmitCall, over: AbortSignal): Promise<void> {
  const visit = visitOf(call);
  let last: Promise<void> = Promise.resolve();
  return new Promise((resolve, reject) => {
    call.on("data", (request: SubmitStreamRequest) => {
      // Not begun and not answered: its sender knows that nothing was done.
      if (over.aborted) return;
      const ending = submit(context, visit, request);
      last = last.then(async () => {
        await answer(call, request, await ending, over);
        visit.unanswered.answered(request);
      });
      last.catch(reject);
    });
    const end = () => last.then(resolve, reject);
    call.once("end", end);
    over.addEventListener("abort", end);
    if (over.aborted) end();
  });
}

/** Never rejects: it may be long before its turn to be answered comes. */
async function submit(
  { broker, settings }: GrpcContext,
  { demand, caller }: Visit,
  { tasks: given }: SubmitStreamRequest,
): Promise<Ending> {
  try {
    demand();
  } catch (failure) {
    return { failure };
  }
  try {
    caller.spend(Math.max(1, given.length));
    const tasks = given.map((task, at) => orRefusal(() => toSubmitInput(task, `tasks[${at}].`)));
    const { value } = await submitBatch(broker, { tasks }, settings);
    return { results: value };
  } catch (error) {
    // Of the message as a whole.
    return error instanceof TqError ? { results: [{ id: undefined, error }] } : { failure: error };
  }
}

async function answer(
  call: SubmitCall,
  { sequence }: SubmitStreamRequest,
  ending: Ending,
  over: AbortSignal,
): Promise<void> {
  if ("failure" in ending) throw ending.failure;
  await write(call, { sequence, results: ending.results.map(toSubmitResult) }, over);
}

function tooMany(): TqError {
  const why = `${SUBMIT_STREAMS_MAX} streams submit to this node already; try another node`;
  return new TqError("overloaded", why);
}
