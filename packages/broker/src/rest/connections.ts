/**
 * Which connections have a request in hand. Node by itself closes only those that have been used
 * and are idle at that moment: one that was opened ahead, or becomes idle later, would hold up the
 * close.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export class Connections {
  /** Requests in hand, by connection. */
  readonly #busy = new Map<Socket, number>();
  #closing = false;

  constructor(server: Server) {
    server.on("connection", (socket) => {
      this.#busy.set(socket, 0);
      socket.once("close", () => this.#busy.delete(socket));
    });
    server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.#count(socket, 1);
      response.once("close", () => this.#count(socket, -1));
    });
  }

  /** Ends every connection as soon as it has nothing in hand. */
  close(): void {
    this.#closing = true;
    for (const [socket, requests] of this.#busy) if (requests === 0) socket.destroy();
  }

  /** Ends all of them now. */
  cut(): void {
    for (const socket of this.#busy.keys()) socket.destroy();
  }

  #count(socket: Socket, change: 1 | -1): void {
    const before = this.#busy.get(socket);
    if (before === undefined) return;
    this.#busy.set(socket, before + change);
    if (this.#closing && before + change === 0) socket.destroySoon();
  }
}
