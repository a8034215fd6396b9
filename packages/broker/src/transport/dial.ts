/**
 * How any connection of the bus begins: a channel of its own to one address. What the grpc library
 * says of a failed call is put into words for a log line here, too.
 */
import * as grpc from "@grpc/grpc-js";
import type { NodeId } from "task-queue-raft";
import { ClosingCredentials } from "./closing-credentials.ts";
import { CHANNEL_OPTIONS } from "./limits.ts";
import type { BusSecurity } from "./security.ts";

/** How to dial. */
export interface DialOptions {
  /** Plain text without. */
  readonly security?: Pick<BusSecurity, "credentialsFor"> | undefined;
}

/** A channel with a connection of its own; `peer`: who must be there, where that is known. */
export function dialClient(
  address: string,
  { security }: DialOptions = {},
  peer?: NodeId,
  more: grpc.ChannelOptions = {},
): grpc.Client {
  const credentials = security?.credentialsFor(peer) ?? grpc.credentials.createInsecure();
  const closing = new ClosingCredentials(credentials);
  // An address may not be told as the name of a server, and none chooses its certificate by this.
  const name = security === undefined ? {} : { "grpc.ssl_target_name_override": "bus" };
  const options = { ...CHANNEL_OPTIONS, ...name, ...more };
  // Without the scheme, a host name such as "unix" would be taken for one.
  return new grpc.Client(`dns:///${address}`, closing, options);
}

/** What OpenSSL says of a peer, as it concerns whoever set it up. */
const TLS_WORDS: readonly (readonly [said: RegExp, words: string])[] = [
  [
    /wrong version number|Protocol error/,
    "one of the two speaks TLS on the bus, the other does not: raft.tls_* is for all or for none",
  ],
  [
    /unable to (verify|get)|self.signed/,
    "its certificate is of another authority than raft.tls_ca_path has here",
  ],
  [/certificate has expired/, "its certificate has expired: renew its raft.tls_cert_path"],
  [
    // The handshake was done, as far as this end can tell, and no reason travels after that.
    /Failed to connect/,
    "it closed the connection at once; with TLS on the bus that is how it refuses a certificate, " +
      "here raft.tls_cert_path: its log says why",
  ],
];

/** The status of a failed call without what the library adds to it: a moment, and its own steps. */
export function plainDetails(details: string): string {
  const words = TLS_WORDS.find(([pattern]) => pattern.test(details));
  if (words !== undefined) return words[1];
  const cause = /Last error: (.*)$/.exec(details)?.[1] ?? details;
  return cause
    .replace(/ \(\d{4}-\d\d-\d\dT[^)]*\)/g, "")
    .replace(/\.? ?Resolution note:.*$/, "")
    .replace(/^Error: /, "")
    .replace(/^Deadline exceeded after ([\d.]+)s.*$/, (_, after) => {
      // The library counts from a moment later than the call was made: 1.999 s of 2.
      return `no answer within ${Math.round(Number(after))} s`;
    });
}

/** What went wrong with a call, in words. */
export function troubleOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return plainDetails("details" in error ? String(error.details) : error.message);
}

/** The other side said no, and will say so again until a person or a roster changes something. */
export function isRefusal(code: grpc.status): boolean {
  return code === grpc.status.FAILED_PRECONDITION || code === grpc.status.INVALID_ARGUMENT;
}
