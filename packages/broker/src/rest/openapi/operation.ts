/**
 * How an operation of the API is described, and what several of them have in common. The table of
 * operations has a row for each route; the contract test fails for a route without one.
 */
import type { ErrorCode } from "task-queue-protocol";
import { EXAMPLES } from "./examples.ts";
import { type Fields, oneOf, ref, type Schema, text, uuid, whole } from "./schema.ts";

export const TAGS = {
  tasks: "Submit, read, wait for, cancel and retry tasks.",
  "dead letters": "Tasks that ran out of retries.",
  queues: "How queues stand, and what an operator says of them.",
  jobs: "Changes of many tasks, which the leader carries out step by step.",
  keys: "Access keys that the cluster keeps.",
  overview: "Workers, the cluster and figures.",
  health: "What load balancers and supervisors ask. No key is needed.",
  documentation: "This document, and what the error codes mean.",
} as const;

/** Of every refusal (RFC 9457). */
export const PROBLEM_MEDIA = "application/problem+json";

export interface AnswerDoc {
  readonly about: string;
  /** Absent: it has no body. */
  readonly schema?: Schema;
  /** Default: JSON. */
  readonly media?: string;
  /** Other media types that can be asked for. */
  readonly also?: Readonly<Record<string, Schema>>;
  /** Names of headers that are worth a word. */
  readonly headers?: Fields;
}

export interface Operation {
  readonly id: string;
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly about?: string;
  /** By name; each has an example. */
  readonly path?: Fields;
  readonly query?: Fields;
  readonly headers?: Fields;
  readonly body?: {
    readonly schema: Schema;
    readonly examples: Readonly<Record<string, unknown>>;
    readonly optional?: true;
  };
  /** By status. */
  readonly answers: Readonly<Record<number, AnswerDoc>>;
  /** Codes of the catalogue, besides those that any request can meet. */
  readonly refusals?: readonly ErrorCode[];
}

/** `METHOD /path`, as the routes have it. */
export type Operations = Readonly<Record<string, Operation>>;

export const CONSISTENCY = {
  consistency: oneOf(
    ["linearizable", "stale"],
    "`stale` is answered at once from what this node knows. Default `linearizable`.",
    { examples: ["stale"] },
  ),
};

/** For reads: what any of them takes. */
export const READ_HEADERS = {
  "X-TQ-Applied-Index": whole("From an earlier answer: this read sees at least as much.", {
    examples: [1],
  }),
};

export const IDEMPOTENCY_HEADER = {
  "Idempotency-Key": text("The same in every resend: it is done only once.", {
    examples: ["order-1042"],
  }),
};

export function taskId(example: string): Fields {
  return { id: uuid("The task.", { examples: [example] }) };
}

export function queueName(example: string = EXAMPLES.queue): Fields {
  return { name: text("The queue.", { examples: [example] }) };
}

export const CURSOR = {
  cursor: text("`next_cursor` of the page before.", { examples: ["AQA"] }),
};

/** A 200 with this schema. */
export function ok(name: string, about: string): Readonly<Record<number, AnswerDoc>> {
  return { 200: { about, schema: ref(name) } };
}

export const CHANGE: readonly ErrorCode[] = ["state_conflict", "outcome_unknown"];
