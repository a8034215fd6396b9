/**
 * Which connections there are, from where, and which have a request in hand. Idle ones give way:
 * they are the first to go when the server closes, and one address that opens ever more of them
 * loses its own, so that it can fill neither the port nor anybody's patience.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { CONNECTIONS_PER_ADDRESS_MAX } from "./limits.ts";

interface Connection {
  readonly address: string;
  /** Requests in hand. */
  requests: number;
}

export class Connections {
  /** Those that have been idle for longest come first. */
  readonly #open = new Map<Socket, Connection>();
  readonly #perAddress = new Map<string, number>();
  readonly #perAddressMax: number;
  #closing = false;

  constructor(server: Server, perAddressMax = CONNECTIONS_PER_ADDRESS_MAX) {
    this.#perAddressMax = perAddressMax;
    server.on("connection", (socket) => this.#admit(socket));
    server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.#count(socket, 1);
      response.once("close", () => this.#count(socket, -1));
    });
  }

  /** Ends every connection as soon as it has nothing in hand. */
  close(): void {
    this.#closing = true;
    for (const [socket, { requests }] of this.#open) if (requests === 0) socket.destroy();
  }

  /** Ends all of them now. */
  cut(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  /** Beyond the bound it takes the place of an idle one of its address; without one it is cut. */
  #admit(socket: Socket): void {
    const address = socket.remoteAddress ?? "";
    const before = this.#perAddress.get(address) ?? 0;
    const loser = before < this.#perAddressMax ? undefined : this.#idleOf(address);
    this.#open.set(socket, { address, requests: 0 });
    this.#perAddress.set(address, before + 1);
    socket.once("close", () => this.#forget(socket, address));
    if (before >= this.#perAddressMax) (loser ?? socket).destroy();
  }

  #idleOf(address: string): Socket | undefined {
    for (const [socket, connection] of this.#open) {
      const isIdle = connection.requests === 0 && !socket.destroyed;
      if (isIdle && connection.address === address) return socket;
    }
    return undefined;
  }

  #forget(socket: Socket, address: string): void {
    this.#open.delete(socket);
    const left = this.#perAddress.get(address)! - 1;
    if (left === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, left);
  }

  #count(socket: Socket, change: 1 | -1): void {
    const connection = this.#open.get(socket);
    if (connection === undefined) return;
    connection.requests += change;
    if (connection.requests > 0) return;
    if (this.#closing) socket.destroySoon();
    // Behind all that have been idle for longer.
    this.#open.delete(socket);
    this.#open.set(socket, connection);
  }
}
