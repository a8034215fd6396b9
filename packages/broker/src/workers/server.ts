/**
 * The worker port: accepts connections up to a number, watches their deadlines, and on close sends
 * everybody elsewhere before it lets go.
 */
import { createServer, type Server, type Socket } from "node:net";
import { ByteWriter, encodeMessage, type TqError } from "task-queue-protocol";
import { Throttle } from "../observe/throttle.ts";
import { type Access, OPEN_ACCESS } from "../operations/access.ts";
import { groupOf } from "../operations/address-group.ts";
import type { Audit } from "../operations/audit.ts";
import type { Broker } from "../operations/broker.ts";
import type { SubmitSettings } from "../operations/submit.ts";
import { Connection } from "./connection.ts";
import {
  SWEEP_MS,
  TURN_AWAY_MS,
  TURNED_AWAY_MAX,
  WORKER_PORT_LIMITS,
  type WorkerPortLimits,
} from "./limits.ts";
import type { PortContext, PortLogger } from "./port.ts";
import { errorMessage } from "./refusal.ts";
import { type Refusals, Seats } from "./seats.ts";

export interface WorkerServerOptions {
  readonly broker: Broker;
  /** Default: open to all. */
  readonly access?: Access | undefined;
  /** See `PortContext`. */
  readonly audit?: Audit | undefined;
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** This program's version. */
  readonly version: string;
  readonly submit: SubmitSettings;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  readonly maxConnections: number;
  /** Default: as many as there may be in all. */
  readonly maxConnectionsPerAddress?: number;
  readonly logger: PortLogger;
  readonly limits?: Partial<WorkerPortLimits>;
  /** Makes the listening socket; by default plain TCP. */
  readonly createServer?: (onSocket: (socket: Socket) => void) => Server;
}

export interface WorkerServer {
  /**
   * Resolves when connections are accepted; rejects with a sentence when the port cannot be had.
   */
  listen(): Promise<{ readonly port: number }>;
  /** Sends everybody elsewhere, waits for answers under way, and closes. */
  close(): Promise<void>;
  readonly connections: number;
  readonly refusals: Readonly<Refusals>;
}

export function createWorkerServer(options: WorkerServerOptions): WorkerServer {
  return new Port(options);
}

class Port implements WorkerServer {
  readonly #options: WorkerServerOptions;
  readonly #context: PortContext;
  readonly #server: Server;
  readonly #connections: Seats<Connection>;
  #turnedAway = 0;
  #sweep: NodeJS.Timeout | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(options: WorkerServerOptions) {
    const { broker, access = OPEN_ACCESS, logger } = options;
    const { version, submit, leaseMs, heartbeatMs } = options;
    this.#options = options;
    const { maxConnections: all, maxConnectionsPerAddress: perAddress = all } = options;
    this.#connections = new Seats({ all, perAddress });
    this.#context = {
      broker,
      access,
      audit: options.audit,
      logger,
      version,
      submit,
      leaseMs,
      heartbeatMs,
      limits: { ...WORKER_PORT_LIMITS, ...options.limits },
      sessions: new Map(),
      throttle: new Throttle(),
    };
    this.#server = (options.createServer ?? createServer)((socket) => this.#accept(socket));
  }

  get connections(): number {
    return this.#connections.size;
  }

  get refusals(): Readonly<Refusals> {
    return this.#connections.refusals;
  }

  listen(): Promise<{ readonly port: number }> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => {
        reject(new Error(explain(error, host, port), { cause: error }));
      };
      this.#server.once("error", onError);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", onError);
        // From here on an error is one of accepting (no descriptors left): the port lives on.
        this.#server.on("error", (error) => {
          this.#options.logger.error(
            { err: error },
            "the worker port could not accept a connection",
          );
        });
        this.#sweep = setInterval(() => this.#check(), SWEEP_MS);
        this.#sweep.unref();
        const address = this.#server.address();
        resolve({ port: typeof address === "object" && address !== null ? address.port : port });
      });
    });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const { broker, limits } = this.#context;
    const { leader } = broker.status();
    const address = leader === undefined || leader.id === broker.nodeId ? "" : leader.address;
    for (const connection of this.#connections) connection.terminate(address, "the broker stops");
    await this.#idle(limits.closeMs);
    for (const connection of this.#connections) connection.end();
    await this.#empty(limits.closeMs);
    clearInterval(this.#sweep);
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    const { remoteAddress: address = "" } = socket;
    const refusal = this.#connections.refusal(address);
    if (refusal !== undefined) {
      this.#refuse(socket, address, refusal);
      return;
    }
    const connection = new Connection(this.#context, socket, () => {
      this.#connections.delete(address, connection);
      if (this.#connections.size === 0) this.#onEmpty?.();
    });
    this.#connections.add(address, connection);
  }

  #refuse(socket: Socket, address: string, refusal: TqError): void {
    if (this.#context.throttle.allows(`full ${groupOf(address)}`)) {
      const line = `refused a connection: ${refusal.message}`;
      this.#options.logger.warn({ peer: address }, line);
    }
    if (this.#turnedAway >= TURNED_AWAY_MAX) {
      socket.destroy();
      return;
    }
    this.#turnedAway++;
    socket.once("close", () => this.#turnedAway--);
    turnAway(socket, refusal);
  }

  #check(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.check(now);
  }

  /** Resolves when no connection waits for an answer, or after `ms`. */
  async #idle(ms: number): Promise<void> {
    const until = performance.now() + ms;
    const busy = (): boolean => [...this.#connections].some((connection) => !connection.isIdle);
    while (busy() && performance.now() < until) await new Promise((next) => setTimeout(next, 10));
  }

  #empty(ms: number): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function turnAway(socket: Socket, error: TqError): void {
  const writer = new ByteWriter();
  encodeMessage(writer, 0, errorMessage(error));
  socket.on("error", () => {});
  // What the peer has sent must be read, or the reset that follows would overtake the error.
  socket.resume();
  socket.end(writer.view());
  setTimeout(() => socket.destroy(), TURN_AWAY_MS).unref();
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): string {
  const where = `${host}:${port}`;
  if (error.code === "EADDRINUSE") {
    const how = "broker.port moves it (EADDRINUSE)";
    return `the worker port ${where} is in use by another program; ${how}`;
  }
  if (error.code === "EADDRNOTAVAIL") {
    return `${host} is not an address of this machine; broker.host names one (EADDRNOTAVAIL)`;
  }
  if (error.code === "EACCES") {
    return `the worker port ${where} is not for this user to open; broker.port moves it (EACCES)`;
  }
  return `the worker port ${where} cannot be opened: ${error.message}`;
}
