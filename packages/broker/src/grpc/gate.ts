/**
 * What every call passes: whose key it carries and whether that permits the verb is judged when its
 * headers have come, before a byte of its message is read. The answer's trailers tell which broker
 * answered, and at which log index.
 */
import * as grpc from "@grpc/grpc-js";
import { TqError } from "task-queue-protocol";
import type { Caller } from "../operations/access.ts";
import type { Verb } from "../operations/permissions.ts";
import type { GrpcContext } from "./context.ts";
import { holdOf } from "./incoming.ts";
import { Intake } from "./intake.ts";
import { INCOMING_PER_CONNECTION_MAX, STREAMS_PER_CONNECTION_MAX } from "./limits.ts";
import { SERVICE_NAME, type SubmitStreamRequest } from "./service.ts";
import { toStatus } from "./status.ts";
import { Unanswered } from "./unanswered.ts";

export const APPLIED_INDEX = "x-tq-applied-index";
const HEALTH_PREFIX = "/grpc.health.v1.Health/";
const BEARER = /^Bearer +(\S+)$/i;

export const VERBS = {
  SubmitTask: "submit",
  SubmitTasks: "submit_all",
  SubmitStream: "submit",
  GetTask: "get",
  ListTasks: "list",
  CancelTask: "cancel",
  RetryTask: "retry",
  WatchTasks: "events",
  ListQueues: "queues",
  ListWorkers: "workers",
  ClusterStatus: "cluster",
} as const satisfies Record<string, Verb>;

export type MethodName = keyof typeof VERBS;

const WRITES: ReadonlySet<Verb> = new Set(["submit", "submit_all", "cancel", "retry"]);

/** Of a call that was let in. */
export interface Visit {
  /** Throws `TqError` when the caller may not, or no longer, do what the call is for. */
  demand(): void;
  readonly caller: Caller;
  /** Asked for once: the library looks it up anew, by way of a proxy, each time. */
  readonly peer: string;
  /** Of which service of ours, undefined for others'. */
  readonly verb: Verb | undefined;
  readonly unanswered: Unanswered;
}

const visits = new WeakMap<grpc.Metadata, Visit>();

export function visitOf(call: { readonly metadata: grpc.Metadata }): Visit {
  const visit = visits.get(call.metadata);
  if (visit === undefined) throw new Error("a call has come past the gate");
  return visit;
}

export function gate(context: GrpcContext): grpc.ServerInterceptor {
  const messages = new Intake(INCOMING_PER_CONNECTION_MAX);
  const streams = new Intake(STREAMS_PER_CONNECTION_MAX);
  return (method, call) => {
    const intake = method.requestStream ? streams : messages;
    return inTurn(context, method, admitted(context, method, call), intake);
  };
}

function admitted(
  context: GrpcContext,
  method: Method,
  call: grpc.ServerInterceptingCallInterface,
): grpc.ServerInterceptingCall {
  if (method.path.startsWith(HEALTH_PREFIX)) return untilClosing(context, call);
  const verb = verbOf(method.path);
  if (verb !== undefined) return guarded(context, method, call, verb);
  // Reflection: for whoever has a key.
  return untilClosing(context, guarded(context, method, call, undefined));
}

/** Of a stream for as long as it lasts, of other calls until the message is there. */
function inTurn(
  { logger }: GrpcContext,
  method: Method,
  call: grpc.ServerInterceptingCallInterface,
  intake: Intake,
): grpc.ServerInterceptingCall {
  let leave = (): void => undefined;
  const listener: grpc.ServerListener = {
    onReceiveMetadata: (metadata, pass) => {
      const peer = visits.get(metadata)?.peer ?? call.getPeer();
      if (!method.requestStream || !intake.isFull(peer)) {
        leave = intake.enter(peer, () => pass(metadata));
      } else {
        call.sendStatus(toStatus(TOO_MANY_STREAMS, method.path, logger));
      }
    },
    onReceiveMessage: (message, pass) => pass(message),
    onReceiveHalfClose: (pass) => {
      if (!method.requestStream) leave();
      pass();
    },
    onCancel: () => leave(),
  };
  return new grpc.ServerInterceptingCall(call, { start: (next) => next(listener) });
}

type Method = grpc.ServerMethodDefinition<object, object>;

const TOO_MANY_STREAMS = new TqError(
  "overloaded",
  `a connection carries ${STREAMS_PER_CONNECTION_MAX} streams of requests; open another one`,
);

function guarded(
  context: GrpcContext,
  method: Method,
  call: grpc.ServerInterceptingCallInterface,
  verb: Verb | undefined,
): grpc.ServerInterceptingCall {
  const unanswered = new Unanswered(holdOf(call));
  let isAdmitted = false;
  const refuse = (error: unknown) => {
    call.sendStatus(toStatus(error, method.path, context.logger));
  };
  const listener: grpc.ServerListener = {
    onReceiveMetadata: (metadata, pass) => {
      const peer = call.getPeer();
      const enter = (caller: Caller): void => {
        caller.spend(1);
        const demand = () => verb !== undefined && caller.demand(verb);
        demand();
        visits.set(metadata, { demand, caller, peer, verb, unanswered });
        isAdmitted = true;
        pass(metadata);
      };
      const { access } = context;
      access.identify(keyOf(metadata), addressOf(peer)).then(enter).catch(refuse);
    },
    onReceiveMessage: (message, pass) => {
      // What was too much to be decoded.
      if (message instanceof TqError) return refuse(message);
      if (!method.requestStream || verb === undefined) return pass(message);
      unanswered.admit(message as SubmitStreamRequest, () => pass(message));
    },
    onReceiveHalfClose: (pass) => pass(),
    onCancel: () => undefined,
  };
  return new grpc.ServerInterceptingCall(call, {
    start: (next) => next(listener),
    sendStatus: (status, next) => {
      next(isAdmitted ? withTrailers(context, status, verb) : status);
    },
  });
}

/** Calls of other services, which would go on for ever, end when the server closes. */
function untilClosing(
  { closing }: GrpcContext,
  call: grpc.ServerInterceptingCallInterface,
): grpc.ServerInterceptingCall {
  const end = () => {
    call.sendStatus({ code: grpc.status.UNAVAILABLE, details: "this broker is about to stop" });
  };
  const listener: grpc.ServerListener = {
    onReceiveMetadata: (metadata, pass) => {
      closing.addEventListener("abort", end);
      pass(metadata);
    },
    onReceiveMessage: (message, pass) => pass(message),
    onReceiveHalfClose: (pass) => pass(),
    onCancel: () => closing.removeEventListener("abort", end),
  };
  return new grpc.ServerInterceptingCall(call, { start: (next) => next(listener) });
}

type Ending = Parameters<grpc.ServerInterceptingCallInterface["sendStatus"]>[0];

function withTrailers({ broker }: GrpcContext, status: Ending, verb: Verb | undefined): Ending {
  if (verb === undefined) return status;
  // Made for this call, by an answer or a refusal: nobody else has it.
  const metadata = status.metadata ?? new grpc.Metadata();
  metadata.set("x-tq-node", broker.nodeId);
  if (metadata.get(APPLIED_INDEX).length === 0) {
    metadata.set(APPLIED_INDEX, String(broker.applied));
  }
  if (WRITES.has(verb)) metadata.set("x-tq-durability", broker.durability);
  return { code: status.code, details: status.details, metadata };
}

function verbOf(path: string): Verb | undefined {
  const [, service, method] = path.split("/");
  return service === SERVICE_NAME ? VERBS[method as MethodName] : undefined;
}

function keyOf(metadata: grpc.Metadata): string | undefined {
  const [text] = metadata.get("authorization");
  if (text === undefined) return undefined;
  // What is there and is no key is a wrong one.
  return BEARER.exec(String(text))?.[1] ?? "";
}

/** Without the port. */
export function addressOf(peer: string): string {
  return peer.replace(/:\d+$/, "");
}
