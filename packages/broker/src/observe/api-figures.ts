/**
 * Requests to the doors for callers, counted as they are answered. A request is known by the
 * pattern of its route, never by its path: ids and names would make labels without end. What finds
 * no route, or comes with a strange method, is counted as one.
 */
import { type Counter, Histogram, type Registry } from "prom-client";
import { labelledCounter } from "./families.ts";

export interface AnsweredRequest {
  /** Pattern of the route, or name of the call; undefined: there is none. */
  readonly route: string | undefined;
  readonly method: string;
  /** As callers see it: a status of HTTP, or the name of one of gRPC. */
  readonly code: string;
  /** The broker could not do what was asked, through no fault of the caller's. */
  readonly isError: boolean;
  /** Undefined: it is a stream, which takes as long as its reader wants. */
  readonly ms: number | undefined;
}

export type CountRequest = (request: AnsweredRequest) => void;

const NO_ROUTE = "(none)";
const OTHER_METHOD = "(other)";
const METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "grpc",
]);
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class ApiFigures {
  readonly #requests: Counter<"route" | "method" | "code">;
  readonly #errors: Counter<"route" | "method" | "code">;
  readonly #durations: Histogram<"route" | "method">;

  constructor(registry: Registry) {
    const labels = ["route", "method", "code"] as const;
    const asked = "Requests over REST and gRPC that were answered.";
    this.#requests = labelledCounter(registry, "tq_api_requests_total", asked, labels);
    const failed = "Those that the broker could not serve: 5xx, and what is the same of gRPC.";
    this.#errors = labelledCounter(registry, "tq_api_errors_total", failed, labels);
    this.#durations = new Histogram({
      name: "tq_api_request_duration_seconds",
      help: "From a request's headers to the end of its answer, waits included; no streams.",
      labelNames: ["route", "method"],
      buckets: SECONDS,
      registers: [registry],
    });
  }

  count({ route = NO_ROUTE, method: given, code, isError, ms }: AnsweredRequest): void {
    const method = METHODS.has(given) ? given : OTHER_METHOD;
    this.#requests.inc({ route, method, code });
    if (isError) this.#errors.inc({ route, method, code });
    if (ms !== undefined) this.#durations.observe({ route, method }, ms / 1_000);
  }
}
