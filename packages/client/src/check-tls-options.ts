/** A client's options for TLS: files that cannot be used are an option that is wrong. */
import { TqError } from "task-queue-protocol";
import { checkTls, type TlsOptions } from "./connection/index.ts";

/** Throws `invalid_request`. */
export function checkTlsOptions(tls: TlsOptions): void {
  try {
    checkTls(tls);
  } catch (cause) {
    throw new TqError("invalid_request", (cause as Error).message, { field: "tls", cause });
  }
}
