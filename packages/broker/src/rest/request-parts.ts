/**
 * Reading the parts of a request that several routes have in common, and answering with an index.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { invalid } from "../operations/invalid.ts";
import { Fields } from "../operations/read-fields.ts";
import {
  type Answer,
  parseIndex,
  type ReadOptions,
  readOptions,
} from "../operations/read-options.ts";

export const APPLIED_INDEX = "x-tq-applied-index";

/** The query's parameters; unknown ones are refused by name. */
export function queryOf(request: FastifyRequest, known: readonly string[]): Fields {
  const fields = new Fields(request.query as object);
  fields.refuseUnknown(known);
  return fields;
}

/** A body that may be left out, with these fields only. */
export function optionalBody(request: FastifyRequest, known: readonly string[]): Fields {
  const fields = Fields.of(request.body ?? {}, "body");
  fields.refuseUnknown(known);
  return fields;
}

/** The log index that the caller has seen, so that it reads its own writes on any node. */
export function minIndexOf(request: FastifyRequest): number | undefined {
  const text = headerOf(request, APPLIED_INDEX);
  return text === undefined ? undefined : parseIndex(text, "X-TQ-Applied-Index");
}

/** How fresh the answer must be; `extra` are the route's own parameters. */
export function readOf(
  request: FastifyRequest,
  extra: readonly string[] = [],
): { fields: Fields; read: ReadOptions } {
  const fields = queryOf(request, ["consistency", ...extra]);
  return { fields, read: readOptions(fields, minIndexOf(request)) };
}

export function pathParameter(request: FastifyRequest, name: string): string {
  return (request.params as Record<string, string>)[name] ?? "";
}

/** `Idempotency-Key`, with or without the quotes that its draft standard asks for. */
export function idempotencyKeyOf(request: FastifyRequest): string | undefined {
  const text = headerOf(request, "idempotency-key");
  const quoted = /^"(.*)"$/.exec(text ?? "");
  const key = quoted === null ? text : quoted[1];
  if (key === "") throw invalid("Idempotency-Key", "an empty key is none; leave it out");
  return key;
}

export function send<T>(reply: FastifyReply, answer: Answer<T>): T {
  reply.header(APPLIED_INDEX, answer.index);
  return answer.value;
}

export function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

/** Of the connection: what a header says of who is behind it anybody can say. */
export function addressOf({ socket }: FastifyRequest): string {
  return socket.remoteAddress ?? "";
}
