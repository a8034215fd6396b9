/**
 * The open connections of the listener: so many in all, and of one address no more than leaves room
 * for others. One that says nothing at first is closed.
 */
import type { Socket } from "node:net";
import { CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, FIRST_BYTES_MS } from "./limits.ts";

export class Sockets {
  readonly #open = new Set<Socket>();
  readonly #perAddress = new Map<string, number>();
  readonly #perAddressMax: number;

  constructor(perAddressMax = CONNECTIONS_PER_ADDRESS_MAX) {
    this.#perAddressMax = perAddressMax;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Remembers it until it closes. False: there is no room, and it was closed. */
  admit(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "";
    const same = this.#perAddress.get(address) ?? 0;
    if (this.#open.size >= CONNECTIONS_MAX || same >= this.#perAddressMax) {
      socket.destroy();
      return false;
    }
    this.#open.add(socket);
    this.#perAddress.set(address, same + 1);
    const timer = setTimeout(() => {
      if (socket.bytesRead === 0) socket.destroy();
    }, FIRST_BYTES_MS);
    // A reset needs no line: the calls of the connection see that it has gone.
    socket.on("error", () => {});
    socket.once("close", () => {
      clearTimeout(timer);
      this.#forget(socket, address);
    });
    return true;
  }

  /** Ends all of them now. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #forget(socket: Socket, address: string): void {
    this.#open.delete(socket);
    const left = this.#perAddress.get(address)! - 1;
    if (left === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, left);
  }
}
