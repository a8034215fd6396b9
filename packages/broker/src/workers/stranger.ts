/**
 * What speaks on the worker port without being a worker: people try their browser, load balancers
 * try HTTP, clients try TLS. The log then says so, and HTTP gets an answer that a person can read.
 */

const METHODS = ["GET ", "HEAD", "POST", "PUT ", "DELE", "OPTI", "PATC", "CONN", "PRI "];
const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR = 0x03;

export interface Stranger {
  /** For the log: "an HTTP request". */
  readonly what: string;
  /** Sent before the connection is closed; empty = nothing. */
  readonly answer: string;
}

/** Looks at the first bytes of a connection; undefined = they may well be a frame. */
export function recognise(first: Uint8Array): Stranger | undefined {
  if (first[0] === TLS_HANDSHAKE && first[1] === TLS_MAJOR) {
    return { what: "a TLS handshake, and this port is not encrypted", answer: "" };
  }
  const start = String.fromCharCode(...first.subarray(0, 4));
  return METHODS.includes(start) ? { what: "an HTTP request", answer: httpAnswer() } : undefined;
}

function httpAnswer(): string {
  const body =
    "This is tq's worker port; it speaks tq's own binary protocol.\n" +
    "REST is on the port of the setting api.rest_port (8080 by default).\n";
  return [
    "HTTP/1.1 400 Bad Request",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${body.length}`,
    "Connection: close",
    "",
    body,
  ].join("\r\n");
}
