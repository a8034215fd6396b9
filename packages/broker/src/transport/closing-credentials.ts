/**
 * Channel credentials that close what they have opened.
 *
 * A channel of grpc-js 1.14 that is closed while its connection is being made forgets that
 * connection if the other end accepts it and then says nothing, as a stopped process does: the
 * socket stays open for ever. A peer that is dialled again and again would cost a socket each time.
 * So the sockets of a channel are remembered, and closed soon after the library has let go of it.
 */
import type { Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { CLOSE_GRACE_MS } from "./limits.ts";

type CreateConnector = grpc.ChannelCredentials["_createSecureConnector"];
type Connector = ReturnType<CreateConnector>;

export class ClosingCredentials extends grpc.ChannelCredentials {
  readonly #inner: grpc.ChannelCredentials;

  constructor(inner: grpc.ChannelCredentials) {
    super();
    this.#inner = inner;
  }

  override _isSecure(): boolean {
    return this.#inner._isSecure();
  }

  override _equals(other: grpc.ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(...given: Parameters<CreateConnector>): Connector {
    const inner = this.#inner._createSecureConnector(...given);
    const sockets = new Set<Socket>();
    let over = false;
    return {
      connect: (socket) => {
        if (over) {
          socket.destroy();
          return Promise.reject(new Error("the channel is closed"));
        }
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
        return inner.connect(socket);
      },
      waitForReady: () => inner.waitForReady(),
      getCallCredentials: () => inner.getCallCredentials(),
      destroy: () => {
        over = true;
        inner.destroy();
        // What the library does close needs a moment to say so to the other end.
        const closeAll = () => {
          for (const socket of sockets) socket.destroy();
        };
        if (sockets.size > 0) setTimeout(closeAll, CLOSE_GRACE_MS).unref();
      },
    };
  }
}
