/**
 * `complete`, `fail`, `release`, `extend`: each item becomes a command. With a live session they go
 * by way of it, which frees its credit at once; without one they go like any write, to wherever the
 * leader is, so that a worker's results survive the broker it is connected to.
 */
import {
  type Complete,
  type CompleteItem,
  type Extend,
  type Fail,
  type ItemError,
  type Release,
  type ReportOk,
  TqError,
} from "task-queue-protocol";
import type { Outcome } from "../operations/broker.ts";
import { EndedParents } from "../operations/ended-parents.ts";
import { outcomeToError } from "../operations/outcome-to-error.ts";
import { checkTogether } from "../operations/submit.ts";
import type { Command } from "../queue/index.ts";
import { unreachable } from "../queue/index.ts";
import { readNewTask } from "./new-task.ts";
import type { Peer, PortContext } from "./port.ts";
import { asTqError, itemError } from "./refusal.ts";
import { Results } from "./results.ts";

export type Report = Complete | Fail | Release | Extend;

const FIRST: ReportOk = { ok: true, duplicate: false };
const AGAIN: ReportOk = { ok: true, duplicate: true };
/** An extension may not outlast this: a worker that needs more extends again. */
const EXTEND_MS_MAX = 24 * 60 * 60 * 1_000;

/** `session`: undefined = none is attached through this connection. */
export function handleReport(
  port: PortContext,
  peer: Peer,
  requestId: number,
  message: Report,
  session: string | undefined,
): void {
  const commands = toCommands(port, message);
  const bytes = reportBytes(message);
  peer.opened(commands.length, bytes);
  const results = new Results<ReportOk>(commands.length, (all) => {
    peer.settled(commands.length, bytes);
    peer.send(requestId, { kind: "reported", results: all });
  });
  const { broker } = port;
  const { maxPayloadBytes } = port.submit;
  for (let i = 0; i < commands.length; i++) {
    const command = commands[i]!;
    const position = i;
    const refused = "code" in command ? command : checkSize(command, maxPayloadBytes);
    if ("code" in command || refused !== undefined) {
      results.set(position, refused as ItemError);
      continue;
    }
    const done = (outcome: Outcome): void => results.set(position, toResult(outcome));
    if (session === undefined) broker.request(command, done);
    else broker.sessionRequest(session, command, done);
  }
}

function reportBytes(message: Report): number {
  if (message.kind !== "complete") return 0;
  let bytes = 0;
  for (const { result, children = [] } of message.items) {
    bytes += result.length;
    for (const { content } of children) bytes += content.payload.length;
  }
  return bytes;
}

function toCommands(port: PortContext, message: Report): readonly (Command | ItemError)[] {
  switch (message.kind) {
    case "complete":
      return message.items.map((item) => toComplete(port, item));
    case "fail":
      return message.items.map(({ id, token, message, stack, retryAfterMs, retryable }) => {
        return { type: "fail", id, token, error: { message, stack }, retryAfterMs, retryable };
      });
    case "release":
      return message.items.map(({ id, token }) => ({ type: "release", id, token }));
    case "extend":
      return message.items.map(({ id, token, forMs }) => {
        return { type: "extend", id, token, forMs: Math.min(forMs, EXTEND_MS_MAX) };
      });
    default:
      return unreachable(message);
  }
}

/** The refusal names the child that was to blame. */
function toComplete(port: PortContext, item: CompleteItem): Command | ItemError {
  const { id, token, result, resultType, children } = item;
  const plain = { type: "complete", id, token, result, resultType } as const;
  if (children === undefined) return plain;
  const { broker, submit: settings } = port;
  const { maxPayloadBytes } = settings;
  const limits = { maxPayloadBytes, now: broker.clock() || Date.now() };
  const reading = { settings, limits, parents: new EndedParents(broker) };
  try {
    const made = children.map((task, at) => readNewTask(task, reading, `children[${at}].`));
    checkTogether(made.map(({ content }) => content));
    return { ...plain, children: made };
  } catch (error) {
    if (!(error instanceof TqError)) throw error;
    return itemError(error);
  }
}

function checkSize(command: Command, maxBytes: number): ItemError | undefined {
  if (command.type !== "complete" || command.result.length <= maxBytes) return undefined;
  return {
    ok: false,
    retryable: false,
    code: "too_large",
    message: `a result of ${command.result.length} bytes; at most ${maxBytes} are allowed`,
    field: "result",
  };
}

function toResult(outcome: Outcome): ReportOk | ItemError {
  if (outcome.kind === "applied" && outcome.reply.code === "ok") {
    return outcome.reply.duplicate ? AGAIN : FIRST;
  }
  return itemError(outcomeToError(outcome, "children") ?? asTqError(undefined));
}
