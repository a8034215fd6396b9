/**
 * The places where libraries keep what they show to nobody: the HTTP/2 server behind an injected
 * connection, the stream behind a call, the pieces of a stream that nobody has read, the end of a
 * socket behind what nobody has read. Bytes that have come but are no message yet are seen there
 * alone. The version of grpc-js is pinned; one that keeps them elsewhere is refused at the start
 * rather than trusted.
 */
import { strict as assert } from "node:assert";
import type { Http2Server, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type * as grpc from "@grpc/grpc-js";

/** After `createConnectionInjector`. */
export function http2ServerOf(server: grpc.Server): Http2Server {
  const { http2Servers } = server as unknown as { http2Servers?: Map<Http2Server, unknown> };
  const [http2] = http2Servers?.keys() ?? [];
  assert(http2 !== undefined, "this version of @grpc/grpc-js hides its HTTP/2 server");
  return http2;
}

/** Of the call that the first interceptor is given. */
export function streamOf(call: grpc.ServerInterceptingCallInterface): ServerHttp2Stream {
  const { stream } = call as unknown as { stream?: ServerHttp2Stream };
  assert(stream !== undefined, "this version of @grpc/grpc-js hides the streams of its calls");
  return stream;
}

/** In how many pieces that came which nobody has read. */
export function unreadPieces(stream: ServerHttp2Stream): number {
  const { _readableState: state } = stream as unknown as {
    _readableState?: { buffer?: { length?: number } };
  };
  return state?.buffer?.length ?? 0;
}

/** Its other side has ended it. "end" would say so only once all that came before it was read. */
export function hasEnded(socket: Socket): boolean {
  const { _readableState: state } = socket as unknown as { _readableState?: { ended?: boolean } };
  return state?.ended === true;
}
