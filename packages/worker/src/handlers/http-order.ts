/**
 * Reads the payload of an `http` task. Everything that can be wrong with it is found here, before
 * anything is sent.
 */
import http from "node:http";
import { NonRetryable } from "../errors.ts";
import { type Fields, fieldsOf, optionalText, optionalWhole } from "./fields.ts";

export interface HttpOrder {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly timeoutMs: number;
  expects(status: number): boolean;
}

const TIMEOUT_MS_DEFAULT = 30_000;
const TIMEOUT_MS_MAX = 3_600_000;
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/** They say how the message is framed or routed, which is not the payload's business. */
const RESERVED = ["host", "connection", "content-length", "transfer-encoding", "upgrade", "te"];

export function readOrder(payload: unknown): HttpOrder {
  const known = ["url", "method", "headers", "body", "timeout_ms", "expect_status"];
  const fields = fieldsOf(payload, "http", known);
  const headers = readHeaders(fields["headers"]);
  const body = readBody(fields["body"], headers);
  return {
    url: readUrl(fields),
    method: readMethod(fields, body),
    headers,
    body,
    timeoutMs: optionalWhole(fields, "timeout_ms", 1, TIMEOUT_MS_MAX) ?? TIMEOUT_MS_DEFAULT,
    expects: readExpected(fields["expect_status"]),
  };
}

function readUrl(fields: Fields): URL {
  const text = optionalText(fields, "url");
  if (text === undefined) throw new NonRetryable('http: "url" is missing');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new NonRetryable('http: "url" must be an absolute http: or https: address');
  }
  return url;
}

function readMethod(fields: Fields, body: string | undefined): string {
  const method = optionalText(fields, "method")?.toUpperCase();
  if (method === undefined) return body === undefined ? "GET" : "POST";
  if (!METHODS.includes(method)) {
    throw new NonRetryable(`http: "method" must be one of ${METHODS.join(", ")}`);
  }
  return method;
}

function readHeaders(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new NonRetryable('http: "headers" must be an object of strings');
  }
  const headers: Record<string, string> = {};
  for (const [name, text] of Object.entries(value)) {
    const lower = name.toLowerCase();
    if (RESERVED.includes(lower)) {
      throw new NonRetryable(`http: the header "${lower}" cannot be set by a payload`);
    }
    if (typeof text !== "string" || !validHeader(lower, text)) {
      throw new NonRetryable(`http: the header ${JSON.stringify(name)} is not a valid header`);
    }
    headers[lower] = text;
  }
  return headers;
}

function validHeader(name: string, value: string): boolean {
  try {
    http.validateHeaderName(name);
    http.validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}

/** A string goes as it is; anything else goes as JSON. */
function readBody(value: unknown, headers: Record<string, string>): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  headers["content-type"] ??= "application/json";
  return JSON.stringify(value);
}

function readExpected(value: unknown): (status: number) => boolean {
  if (value === undefined) return (status) => status >= 200 && status < 300;
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const valid = list.every((each) => Number.isInteger(each) && Number(each) >= 100);
  if (!valid || list.length === 0) {
    throw new NonRetryable('http: "expect_status" must be a status or an array of statuses');
  }
  return (status) => list.includes(status);
}
