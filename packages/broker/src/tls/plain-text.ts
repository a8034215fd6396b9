/**
 * What comes to a port with TLS without speaking it: somebody left out the `s` of https, or a flag.
 * The log says so, and HTTP gets an answer that a person can read.
 */

const TLS_HANDSHAKE = 0x16;
/** RFC 8446, section 5.1: type, version, length; and the most that may follow. */
const RECORD_HEAD_BYTES = 5;
const RECORD_BYTES_MAX = 16_384;
const HTTP = /^[A-Z]{3,7} /;

export function isTls(first: Uint8Array): boolean {
  return first[0] === TLS_HANDSHAKE;
}

/**
 * Whether the first record is whole, in which clients put all of their hello. One that claims to be
 * longer than a record can be will not get better by waiting.
 */
export function isWholeHello(bytes: Uint8Array): boolean {
  if (bytes.length < RECORD_HEAD_BYTES) return false;
  const length = bytes[3]! * 256 + bytes[4]!;
  return bytes.length >= RECORD_HEAD_BYTES + Math.min(length, RECORD_BYTES_MAX);
}

/** For the log. */
export function plainWords(first: Uint8Array): string {
  return isHttp(first) ? "plain HTTP" : "a connection without TLS";
}

/** Sent before the connection is closed; empty = nothing. */
export function plainAnswer(first: Uint8Array): string {
  if (!isHttp(first)) return "";
  const body = "This port speaks TLS: write https:// instead of http://\n";
  return [
    "HTTP/1.1 400 Bad Request",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${body.length}`,
    "Connection: close",
    "",
    body,
  ].join("\r\n");
}

function isHttp(first: Uint8Array): boolean {
  return HTTP.test(String.fromCharCode(...first.subarray(0, 8)));
}
