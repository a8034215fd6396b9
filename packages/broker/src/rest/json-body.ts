/**
 * Bodies are JSON in UTF-8 and nothing else: a form or plain text that a foreign web page could
 * send without asking is refused by its content type. Keys that would reach an object's prototype
 * are refused as well.
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { TqError } from "task-queue-protocol";
import { exactPayloads } from "../operations/exact-json.ts";
import { jsonErrorOffset, lineAndColumn } from "./json-error-offset.ts";
import { hasMoreParts } from "./json-parts.ts";
import { BODY_PARTS_MAX } from "./limits.ts";
import { noteBody } from "./signed.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

export function acceptJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => {
    if (!noteBody(request as FastifyRequest, body as Buffer)) return done(null, undefined);
    // Clients that set the type on every request send it with an empty body too.
    if (body.length === 0) return done(null, undefined);
    const encoding = request.headers["content-encoding"] ?? "identity";
    if (encoding !== "identity") {
      return done(refused(`Content-Encoding: ${encoding} is not understood; send the body plain`));
    }
    if (hasMoreParts(body as Buffer, BODY_PARTS_MAX)) return done(tooManyParts());
    const text = decode(body as Buffer);
    if (text === undefined) return done(refused("the body is not UTF-8"));
    void parse(request as FastifyRequest, text, (error, value) => {
      if (error === null) done(null, exactPayloads(text, value));
      else done(refused(whyNot(text)));
    });
  });
}

function decode(body: Buffer): string | undefined {
  try {
    return utf8.decode(body);
  } catch {
    return undefined;
  }
}

function whyNot(text: string): string {
  try {
    JSON.parse(text);
    return "the keys __proto__ and constructor.prototype are not allowed in a body";
  } catch {
    const offset = jsonErrorOffset(text);
    const place = `${lineAndColumn(text, offset)} (position ${offset})`;
    const what = offset === text.length ? "it ends too early, at" : "mistake at";
    return `the body is not JSON: ${what} ${place}`;
  }
}

function tooManyParts(): TqError {
  const message = `the body has more than ${BODY_PARTS_MAX} objects, lists and members; send less`;
  return new TqError("too_large", message);
}

function refused(message: string): TqError {
  return new TqError("invalid_request", message);
}
