/**
 * What this node takes in at a time: requests under way, the bodies that they announce, and what
 * the event loop and the heap can bear. Beyond it a request is refused before its body is read.
 * Probes are always answered: whoever took a busy node out of service would only move its load to
 * the others.
 */
import { getHeapStatistics } from "node:v8";
import underPressure from "@fastify/under-pressure";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { TqError } from "task-queue-protocol";
import {
  BODY_BYTES_UNDER_WAY_MAX,
  HEAP_SHARE_MAX,
  LOOP_DELAY_MS_MAX,
  PRESSURE_CHECK_MS,
  REQUESTS_UNDER_WAY_MAX,
} from "./limits.ts";
import { isProbe } from "./probes.ts";

export interface IntakeLimits {
  readonly requests: number;
  readonly bodyBytes: number;
  readonly heapBytes: number;
}

const LIMITS: IntakeLimits = {
  requests: REQUESTS_UNDER_WAY_MAX,
  bodyBytes: BODY_BYTES_UNDER_WAY_MAX,
  heapBytes: HEAP_SHARE_MAX * getHeapStatistics().heap_size_limit,
};

export function limitIntake(app: FastifyInstance, limits: IntakeLimits = LIMITS): void {
  let requests = 0;
  let bodyBytes = 0;
  app.addHook("onRequest", (request, reply, done) => {
    if (isProbe(request.routeOptions.url)) return done();
    // It would never be told to have ended: that was before, while its key was looked at.
    if (reply.raw.destroyed) throw new TqError("invalid_request", "its caller has gone");
    const announced = bodyBytesOf(request);
    if (requests >= limits.requests) throw overloaded(`${requests} requests are under way`);
    // A body that is too large by itself is refused as that, and not as too much for now.
    if (bodyBytes > 0 && bodyBytes + announced > limits.bodyBytes) {
      throw overloaded(`bodies of ${bodyBytes} bytes are under way`);
    }
    requests++;
    bodyBytes += announced;
    reply.raw.once("close", () => {
      requests--;
      bodyBytes -= announced;
    });
    done();
  });
  app.register(underPressure, {
    maxEventLoopDelay: LOOP_DELAY_MS_MAX,
    maxHeapUsedBytes: limits.heapBytes,
    sampleInterval: PRESSURE_CHECK_MS,
    pressureHandler: async (request, _reply, kind) => {
      if (!isProbe(request.routeOptions.url)) throw overloaded(`too much is under way (${kind})`);
    },
  });
}

/** Of a body in chunks nobody knows more than how long it may be. */
function bodyBytesOf({ headers, routeOptions }: FastifyRequest): number {
  if (headers["transfer-encoding"] !== undefined) return routeOptions.bodyLimit;
  return Math.min(Number(headers["content-length"] ?? 0), routeOptions.bodyLimit);
}

function overloaded(why: string): TqError {
  return new TqError("overloaded", `${why}; this one was not begun`);
}
