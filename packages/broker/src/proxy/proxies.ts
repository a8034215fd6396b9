/**
 * The load balancers that are believed when they say whose connection it is. One of theirs is held
 * here until its header has come, before TLS and before any door: it must have one. Nobody else is
 * listened to: what begins like a header is then just what the door gets.
 */
import { BlockList, isIP, type Server, type Socket } from "node:net";
import { parseNetwork } from "../config/address.ts";
import { Throttle } from "../observe/throttle.ts";
import { belongsTo } from "./client-address.ts";
import { readHeader } from "./header.ts";
import { HEADER_MS_MAX, WAITING_MAX } from "./limits.ts";

export interface ProxiesLogger {
  warn(fields: object, text: string): void;
}

const MAPPED = /^::ffff:(?=\d+\.)/i;

export class Proxies {
  readonly #log: ProxiesLogger;
  readonly #networks = new BlockList();
  readonly #throttle = new Throttle();
  readonly #waiting = new Set<Socket>();
  readonly #isNone: boolean;

  /** `networks`: each as `parseNetwork` reads it. */
  constructor(networks: readonly string[], log: ProxiesLogger) {
    this.#log = log;
    this.#isNone = networks.length === 0;
    for (const text of networks) {
      const { address, prefix, type } = parseNetwork(text)!;
      this.#networks.addSubnet(address, prefix, type);
    }
  }

  /** To be called after whatever else puts itself before the door. `name`: for the log. */
  guard(server: Server, name: string): void {
    if (this.#isNone) return;
    const through = server.listeners("connection");
    server.removeAllListeners("connection");
    const pass = (socket: Socket): void => {
      for (const each of through) each.call(server, socket);
    };
    server.on("connection", (socket: Socket) => {
      if (this.#isProxy(socket)) this.#hear(socket, name, pass);
      else pass(socket);
    });
  }

  #isProxy({ remoteAddress }: Socket): boolean {
    const address = (remoteAddress ?? "").replace(MAPPED, "");
    return this.#networks.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  }

  #hear(socket: Socket, name: string, pass: (socket: Socket) => void): void {
    this.#makeRoom();
    this.#waiting.add(socket);
    const late = setTimeout(() => end("it did not come in time"), HEADER_MS_MAX);
    const leave = (): void => {
      clearTimeout(late);
      this.#waiting.delete(socket);
      socket.off("readable", look);
    };
    const end = (why: string): void => {
      this.#refuse(socket, name, why);
      socket.destroy();
    };
    let seen: Buffer = Buffer.alloc(0);
    const look = (): void => {
      const bytes: Buffer | null = socket.read();
      // Whoever ends without a word has only looked whether somebody is there.
      if (bytes === null) {
        socket.destroy();
        return;
      }
      seen = Buffer.concat([seen, bytes]);
      const found = readHeader(seen);
      if (found === "more") return;
      if ("wrong" in found) {
        end(found.wrong);
        return;
      }
      leave();
      if (found.peer !== undefined) belongsTo(socket, found.peer);
      if (seen.length > found.bytes) socket.unshift(seen.subarray(found.bytes));
      // Not before the stream has noticed that nobody looks at it any more.
      setImmediate(() => {
        // The door would wait for an end that has come already.
        if (socket.readableEnded) socket.destroy();
        if (!socket.destroyed) pass(socket);
      });
    };
    socket.on("error", () => undefined);
    socket.once("close", leave);
    socket.on("readable", look);
  }

  /** Its place is free at once, though its socket closes later: many come in one turn. */
  #makeRoom(): void {
    if (this.#waiting.size < WAITING_MAX) return;
    const [oldest] = this.#waiting;
    this.#waiting.delete(oldest!);
    oldest!.destroy();
  }

  #refuse({ remoteAddress: address }: Socket, name: string, why: string): void {
    if (!this.#throttle.allows(`${name} ${address}`)) return;
    const words = `a connection of ${address} to ${name} has no PROXY header: ${why}`;
    this.#log.warn({ address }, `${words} (api.proxy_protocol_from)`);
  }
}
