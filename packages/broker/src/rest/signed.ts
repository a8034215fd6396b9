/**
 * Requests that are signed instead of carrying a key: what their headers must look like, the text
 * that was signed, and whether the body that came is the one that was meant. The signature is
 * judged with the headers, among which the digest of the body is: no stranger's body is read.
 */
import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { TqError } from "task-queue-protocol";
import {
  type Access,
  type Caller,
  identifyByHeaders,
  identifyBySignature,
  type SignedRequest,
} from "../operations/access.ts";
import { parseDateTime } from "../operations/rfc3339.ts";
import { addressOf } from "./request-parts.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** SHA-256 in hex of the body that was signed; undefined: nobody has said. */
    signedBody: string | undefined;
  }
}

const SCHEME = "TQ-HMAC-SHA256";
/** First line of what is signed. */
const VERSION = `${SCHEME}-1`;
const DIGEST = "x-tq-content-sha256";
const HEADERS = ["authorization", "x-tq-key", "x-tq-date", "x-tq-nonce", DIGEST];
/** Those that change what a request does are signed too, where they are sent. */
const CONDITIONS = ["idempotency-key", "if-match", "if-none-match"];

const EMPTY = createHash("sha256").digest("hex");
const IS_SIGNED = new RegExp(`^${SCHEME}(\\s|$)`, "i");
const AUTHORIZATION = new RegExp(`^${SCHEME} +([A-Za-z0-9_-]{43}=?)$`, "i");
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const MILLISECONDS = /^\d{12,14}$/;
/** 16 to 64 bytes; hexadecimal digits are of the same alphabet. */
const NONCE = /^[A-Za-z0-9_-]{22,86}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** Must be called before the first route is added. */
export function checkSignedBodies(app: FastifyInstance, access: Access): void {
  app.decorateRequest("signedBody", undefined);
  // What a parser has seen is settled; a body that none has seen was empty or is not looked at.
  app.addHook("preValidation", async (request) => {
    if (request.signedBody === undefined || request.signedBody === EMPTY) return;
    const error = wrongBody();
    access.refused?.(error, addressOf(request));
    throw error;
  });
}

/** For the parser. False: it is another body, of which nothing is read; the hook refuses it. */
export function noteBody(request: FastifyRequest, body: Buffer): boolean {
  if (request.signedBody === undefined) return true;
  if (createHash("sha256").update(body).digest("hex") !== request.signedBody) return false;
  request.signedBody = undefined;
  return true;
}

/** Who asks, by signature or by key. Rejects with `TqError`. */
export async function identifyRequest(access: Access, request: FastifyRequest): Promise<Caller> {
  const address = addressOf(request);
  if (!IS_SIGNED.test(request.headers.authorization ?? "")) {
    if (access.isSigningRequired === true) return refuse(access, address, unsigned());
    return identifyByHeaders(access, request.headers, address);
  }
  let signed: SignedRequest & { readonly body: string };
  try {
    signed = read(request);
  } catch (error) {
    return refuse(access, address, error);
  }
  const caller = identifyBySignature(access, signed, address);
  request.signedBody = signed.body;
  return caller;
}

function refuse(access: Access, address: string, error: unknown): never {
  access.refused?.(error, address);
  throw error;
}

function read(request: FastifyRequest): SignedRequest & { readonly body: string } {
  const { method, url, headers, rawHeaders } = request.raw;
  for (const name of HEADERS) {
    const count = rawHeaders.filter((each, at) => at % 2 === 0 && each.toLowerCase() === name);
    if (count.length > 1) throw unauthenticated(`${name} was sent ${count.length} times`);
  }
  if (headers["x-api-key"] !== undefined) {
    throw unauthenticated("the request is signed, and has X-API-Key too; leave that out");
  }
  const signature = AUTHORIZATION.exec(headers.authorization ?? "")?.[1];
  if (signature === undefined) {
    throw unauthenticated(`the Authorization header has the form: ${SCHEME} and 43 of base64url`);
  }
  const key = part(headers, "x-tq-key", NAME, "the name of a key");
  const nonce = part(headers, "x-tq-nonce", NONCE, "16 to 64 random bytes in base64url or hex");
  const body =
    headers[DIGEST] === undefined
      ? EMPTY
      : part(headers, DIGEST, SHA256, "the body's SHA-256 in 64 lower-case hexadecimal digits");
  const date = part(headers, "x-tq-date", /^\S+$/, DATE);
  const conditions = CONDITIONS.flatMap((name) => {
    return headers[name] === undefined ? [] : [`${name}:${headers[name]}`];
  });
  const lines = [VERSION, method, url, date, nonce, body, ...conditions];
  return { key, nonce, signature, text: lines.join("\n"), dateMs: readDate(date), body };
}

const DATE = "milliseconds since 1970, or a time such as 2026-01-31T12:00:00Z";

function part(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  name: string,
  form: RegExp,
  what: string,
): string {
  const value = headers[name];
  if (typeof value === "string" && form.test(value)) return value;
  const trouble = value === undefined ? "is missing" : "cannot be read";
  throw unauthenticated(`a signed request has ${name}: ${what}; it ${trouble}`);
}

function readDate(text: string): number {
  const ms = MILLISECONDS.test(text) ? Number(text) : parseDateTime(text);
  if (ms !== undefined) return ms;
  throw unauthenticated(`a signed request has x-tq-date: ${DATE}; it cannot be read`);
}

function unsigned(): TqError {
  return unauthenticated("requests to this port are signed (auth.signing_required); this is not");
}

function wrongBody(): TqError {
  return unauthenticated(`the body is not the one of which ${DIGEST} tells`);
}

function unauthenticated(message: string): TqError {
  return new TqError("unauthenticated", message);
}
