/**
 * Counts calls as they end, by the name of the method and of the status. It stands between the
 * library and the gate, so that refusals are counted too. What the library ends by itself, at a
 * caller's deadline for example, is seen like a caller that has gone: as CANCELLED.
 */
import * as grpc from "@grpc/grpc-js";
import type { GrpcContext } from "./context.ts";

/** What would be a 5xx of HTTP. */
const ERRORS: ReadonlySet<grpc.status> = new Set([
  grpc.status.UNKNOWN,
  grpc.status.INTERNAL,
  grpc.status.UNAVAILABLE,
  grpc.status.DATA_LOSS,
  grpc.status.DEADLINE_EXCEEDED,
]);

/** None where nobody wants to hear. */
export function meter({ countRequest }: GrpcContext): grpc.ServerInterceptor[] {
  if (countRequest === undefined) return [];
  return [
    ({ path: route, requestStream, responseStream }, call) => {
      const began = performance.now();
      const isStream = requestStream || responseStream;
      let hasEnded = false;
      const ended = (code: grpc.status): void => {
        if (hasEnded) return;
        hasEnded = true;
        countRequest({
          route,
          method: "grpc",
          code: grpc.status[code] ?? "UNKNOWN",
          isError: ERRORS.has(code),
          ms: isStream ? undefined : performance.now() - began,
        });
      };
      const listener: grpc.ServerListener = {
        onReceiveMetadata: (metadata, pass) => pass(metadata),
        onReceiveMessage: (message, pass) => pass(message),
        onReceiveHalfClose: (pass) => pass(),
        // The library calls it at the end of every call, however that has ended.
        onCancel: () => ended(grpc.status.CANCELLED),
      };
      return new grpc.ServerInterceptingCall(call, {
        start: (next) => next(listener),
        sendStatus: (status, next) => {
          ended(status.code);
          next(status);
        },
      });
    },
  ];
}
