/**
 * How any connection of the bus begins: a channel of its own to one address. What the grpc library
 * says of a failed call is put into words for a log line here, too.
 */
import * as grpc from "@grpc/grpc-js";
import { ClosingCredentials } from "./closing-credentials.ts";
import { CHANNEL_OPTIONS } from "./limits.ts";

/** How to dial; credentials default to plain text. */
export interface DialOptions {
  readonly credentials?: grpc.ChannelCredentials;
  /** More channel options, e.g. the name to expect in the peer's certificate. */
  readonly channelOptions?: grpc.ChannelOptions;
}

/** A channel with a connection of its own. */
export function dialClient(
  address: string,
  { credentials, channelOptions = {} }: DialOptions = {},
  more: grpc.ChannelOptions = {},
): grpc.Client {
  const closing = new ClosingCredentials(credentials ?? grpc.credentials.createInsecure());
  const options = { ...CHANNEL_OPTIONS, ...more, ...channelOptions };
  // Without the scheme, a host name such as "unix" would be taken for one.
  return new grpc.Client(`dns:///${address}`, closing, options);
}

/** The status of a failed call without what the library adds to it: a moment, and its own steps. */
export function plainDetails(details: string): string {
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
