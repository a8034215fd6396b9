/** What a client is made from, and what its calls may be told. */
import type { ApiKey, DialOptions, TlsOptions } from "./connection/index.ts";
import type { AnyTasks, TaskMap } from "./task-map.ts";

export interface ClientOptions<M extends TaskMap = AnyTasks> {
  /** Any brokers of the cluster: `host:port`, several with commas between them, or a list. */
  readonly servers: string | readonly string[];
  /** Where the brokers ask for one; a function is asked at each dial. */
  readonly apiKey?: ApiKey | undefined;
  /** How long one request is tried; default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Types with their payloads and defaults, from `defineTasks`. */
  readonly tasks?: M | undefined;
  /** Makes the ids of tasks; by default a UUIDv7 of now. */
  readonly mintId?: (() => string) | undefined;
  /** Told of every change of the connection, for a log; must not throw. */
  readonly onConnection?: ((event: ConnectionEvent) => void) | undefined;
  /** Only the given servers: a broker's word on where to go instead is not followed. */
  readonly stay?: boolean | undefined;
  /** TLS to the brokers, whose certificate and name are checked; plain text without. */
  readonly tls?: TlsOptions | undefined;
  /** Opens the socket; by default TCP, with or without TLS. */
  readonly openSocket?: DialOptions["openSocket"];
  /** Name of the program, for the broker's log. */
  readonly name?: string | undefined;
}

export interface ConnectionEvent {
  readonly state: "up" | "down" | "failed";
  /** `host:port`. */
  readonly address: string | undefined;
  readonly error: Error | undefined;
}

export interface LogsOptions {
  readonly after?: number | undefined;
  readonly limit?: number | undefined;
}
