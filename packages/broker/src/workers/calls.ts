/** `call`: a verb with JSON parameters, answered with the JSON that REST would answer with. */
import { type Answer, type Call, maxAnswerBytes, TqError } from "task-queue-protocol";
import { answerCall } from "../operations/calls.ts";
import { AssertionError } from "../queue/index.ts";
import type { Peer, PortContext } from "./port.ts";
import { asTqError, errorMessage } from "./refusal.ts";

const text = new TextDecoder("utf-8", { fatal: true });
const utf8 = new TextEncoder();

/** Calls `onDone` once, after the answer or the error was sent. */
export function handleCall(
  port: PortContext,
  peer: Peer,
  requestId: number,
  message: Call,
  onDone: () => void,
): void {
  answer(port, peer, message)
    .then(
      (answered) => peer.send(requestId, answered),
      (error) => peer.send(requestId, errorMessage(toTqError(port, peer, message.verb, error))),
    )
    .finally(onDone);
}

async function answer(
  { broker, submit, audit }: PortContext,
  peer: Peer,
  { verb, minIndex, body }: Call,
): Promise<Answer> {
  const from = peer.address.replace(/:\d+$/, "");
  const context = { caller: peer.caller, from, audit, minIndex, submit, signal: peer.waits };
  const { value, index } = await answerCall(broker, verb, parse(body), context);
  const json = utf8.encode(JSON.stringify(value));
  const max = maxAnswerBytes(submit.maxPayloadBytes) - 1024;
  if (json.length <= max) return { kind: "answer", index, body: json };
  throw new TqError("too_large", `the answer has ${json.length} bytes; at most ${max} can be sent`);
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(text.decode(body));
  } catch (cause) {
    const message = `the body of a call is JSON in UTF-8: ${(cause as Error).message}`;
    throw new TqError("invalid_request", message, { cause });
  }
}

function toTqError({ logger }: PortContext, peer: Peer, verb: string, error: unknown): TqError {
  if (error instanceof TqError) return error;
  // A broken invariant must stop the process rather than be answered; a turn of its own lets it.
  if (error instanceof AssertionError) {
    setImmediate(() => {
      throw error;
    });
  }
  logger.error({ err: error, verb, peer: peer.address }, "a call failed");
  return asTqError(error);
}
