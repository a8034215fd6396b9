/**
 * The gRPC listener: opens its port, and closes without cutting off calls in hand. It owns the TCP
 * listener itself and hands accepted sockets to the library: that bounds connections before any of
 * their bytes are read, and gives plain errors for a port that cannot be had.
 */

import { setMaxListeners } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import * as grpc from "@grpc/grpc-js";
import type { CountRequest } from "../observe/api-figures.ts";
import { Throttle } from "../observe/throttle.ts";
import { type Access, OPEN_ACCESS } from "../operations/access.ts";
import type { Audit } from "../operations/audit.ts";
import type { Broker } from "../operations/broker.ts";
import { listenError } from "../operations/listen-error.ts";
import { unaryCalls } from "./calls.ts";
import type { GrpcConfig, GrpcContext, GrpcLogger } from "./context.ts";
import { gate } from "./gate.ts";
import { addHealth } from "./health.ts";
import { Incoming } from "./incoming.ts";
import { http2ServerOf } from "./library.ts";
import {
  CLOSE_GRACE_MS,
  messageBytesMax,
  serverOptions,
  TAKEN_BACK_COST_MS,
  UNDER_WAY,
} from "./limits.ts";
import { Line } from "./line.ts";
import { meter } from "./meter.ts";
import { reflection } from "./reflection.ts";
import { TASK_QUEUE } from "./service.ts";
import { Sockets } from "./sockets.ts";
import { submitStream } from "./submit-stream.ts";
import type { UnderWayLimits } from "./under-way.ts";
import { watchTasks } from "./watch.ts";

export interface GrpcServerOptions {
  readonly broker: Broker;
  readonly config: GrpcConfig;
  readonly logger: GrpcLogger;
  readonly access?: Access;
  /** See `GrpcContext`. */
  readonly countRequest?: CountRequest | undefined;
  /** See `GrpcContext`. */
  readonly audit?: Audit | undefined;
  /** Default: the bound of that name. */
  readonly connectionsPerAddressMax?: number;
  /** Default: the bounds of that name. */
  readonly underWay?: UnderWayLimits;
  /** Sees to it that connections are encrypted before they get here. */
  readonly guard?: ((server: Server) => void) | undefined;
}

export interface GrpcServer {
  /** Resolves once calls are taken. Rejects with what to do when the port cannot be had. */
  listen(): Promise<{ port: number }>;
  /** Takes no more connections, ends waits and streams, and gives calls in hand a few seconds. */
  close(): Promise<void>;
}

export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const { broker, config, logger, access = OPEN_ACCESS, countRequest } = options;
  const closing = new AbortController();
  // As many may wait as there are calls.
  setMaxListeners(0, closing.signal);
  const { maxPayloadBytes, queueDepthThreshold } = config.broker;
  const { retry } = config;
  const settings = { maxPayloadBytes, queueDepthThreshold, retry, showPayload: false };
  const given = { broker, access, audit: options.audit, settings, logger, countRequest };
  const context = { ...given, closing: closing.signal };
  const { underWay: limits = UNDER_WAY } = options;
  const line = new Line();
  const incoming = new Incoming({
    limits,
    messageBytesMax: messageBytesMax(maxPayloadBytes),
    logger,
    tookBack: (address, unbegunCalls) => line.charge(address, unbegunCalls * TAKEN_BACK_COST_MS),
  });
  const server = new grpc.Server({
    ...serverOptions(maxPayloadBytes),
    interceptors: [incoming.interceptor(), ...meter(context), gate(context)],
  });
  server.addService(TASK_QUEUE, implementation(context));
  const health = addHealth(server, broker);
  reflection().addToServer(server);
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  incoming.watch(http2ServerOf(server));
  const sockets = new Sockets(options.connectionsPerAddressMax);
  const throttle = new Throttle();
  const listener = createServer({ noDelay: true }, (socket) => {
    const address = socket.remoteAddress;
    if (sockets.admit(socket)) {
      line.enter(socket, () => injector.injectConnection(socket));
      return;
    }
    if (!throttle.allows(`connections ${address}`)) return;
    const fields = { address, connections: sockets.size };
    logger.warn(fields, "gRPC: too many connections; one was closed");
  });
  options.guard?.(listener);
  return {
    listen: () => listen(listener, config.api.host, config.api.grpcPort),
    close: async () => {
      health.close();
      incoming.close();
      line.close();
      closing.abort();
      if (!listener.listening) return server.forceShutdown();
      const closed = new Promise((resolve) => listener.close(resolve));
      const cut = setTimeout(() => sockets.cut(), CLOSE_GRACE_MS);
      injector.drain(CLOSE_GRACE_MS);
      await closed;
      clearTimeout(cut);
      server.forceShutdown();
    },
  };
}

function implementation(context: GrpcContext): grpc.UntypedServiceImplementation {
  return {
    ...unaryCalls(context),
    SubmitStream: submitStream(context) as grpc.UntypedHandleCall,
    WatchTasks: watchTasks(context) as grpc.UntypedHandleCall,
  };
}

const LISTENING = {
  door: "gRPC",
  hostSetting: "api.host",
  portSetting: "api.grpc_port",
  or: "--grpc-port, TQ_API__GRPC_PORT",
};

async function listen(listener: Server, host: string, port: number): Promise<{ port: number }> {
  await new Promise<void>((resolve, reject) => {
    listener.once("error", (cause) => reject(listenError(cause, { ...LISTENING, host, port })));
    listener.listen(port, host, resolve);
  });
  return { port: (listener.address() as AddressInfo).port };
}
