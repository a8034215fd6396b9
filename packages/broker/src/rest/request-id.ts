/**
 * Each request has an id: in its answer, in a refusal's document and in the log. The caller's own
 * is taken if it can stand in all of them as it is.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { REQUEST_ID_LENGTH_MAX } from "./limits.ts";

export const REQUEST_ID = "x-request-id";

const SANE = new RegExp(`^[A-Za-z0-9._:/+=@-]{1,${REQUEST_ID_LENGTH_MAX}}$`);

export function chooseRequestId({ headers }: Pick<IncomingMessage, "headers">): string {
  const given = headers[REQUEST_ID];
  return typeof given === "string" && SANE.test(given) ? given : randomUUID();
}
