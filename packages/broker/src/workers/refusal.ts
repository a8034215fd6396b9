/**
 * Refusals in the form that the worker protocol carries: in an `error` frame, or as one of many
 * results.
 */
import {
  type ErrorMessage,
  type ItemError,
  ProtocolError,
  TqError,
  type UnknownHello,
  VERSION_MAX,
  VERSION_MIN,
} from "task-queue-protocol";
import { MESSAGE_LENGTH_MAX } from "./limits.ts";

export function itemError(error: TqError): ItemError {
  return { ok: false, ...refusal(error) };
}

export function errorMessage(error: TqError): ErrorMessage {
  return { kind: "error", ...refusal(error) };
}

function refusal(error: TqError) {
  return {
    retryable: error.retryable,
    code: error.code,
    message: error.message.slice(0, MESSAGE_LENGTH_MAX),
    field: (error.field ?? "").slice(0, MESSAGE_LENGTH_MAX),
  };
}

/**
 * An expected refusal stays what it is, and so does a breach of the format; anything else is a bug
 * that the caller must not see inside of.
 */
export function asTqError(error: unknown): TqError {
  if (error instanceof TqError) return error;
  if (error instanceof ProtocolError) {
    return new TqError("invalid_request", error.message, { cause: error });
  }
  return new TqError("internal", "the broker failed to answer; its log says why", { cause: error });
}

/** What is told to whoever speaks other versions of the protocol. */
export function noCommonVersion({ minVersion, maxVersion }: UnknownHello): string {
  const theirs = formatRange(minVersion, maxVersion);
  const ours = formatRange(VERSION_MIN, VERSION_MAX);
  return `no common protocol version: this broker speaks ${ours}, the other side ${theirs}`;
}

function formatRange(min: number, max: number): string {
  return min === max ? `version ${min}` : `versions ${min} to ${max}`;
}
