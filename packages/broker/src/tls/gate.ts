/**
 * The one gate before every listener with TLS. A connection is let through to its listener when its
 * handshake is done; until then it is in here, and everything about it is bounded: how many there
 * are, for how long, and what they cost. Nothing is computed for one that has not said hello, and
 * of those that have, one address after the other gets its turn.
 */
import type { Server, Socket } from "node:net";
import { createServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import { Throttle } from "../observe/throttle.ts";
import { groupOf } from "../operations/address-group.ts";
import { passOn, wirePeerOf } from "../proxy/client-address.ts";
import { handshakeTrouble } from "./handshake-trouble.ts";
import {
  BURST_MS,
  EC_HANDSHAKE_MS,
  HANDSHAKE_MS_MAX,
  HANDSHAKES_MAX,
  HANDSHAKES_PER_ADDRESS_MAX,
  LOOP_SHARE_MAX,
  RSA_HANDSHAKE_MS,
  SWEEP_MS,
} from "./limits.ts";
import type { TlsLogger, TlsMaterial } from "./material.ts";
import { Pace } from "./pace.ts";
import { isTls, isWholeHello, plainAnswer, plainWords } from "./plain-text.ts";

export interface GuardOptions {
  /** For the log: "the worker port". */
  readonly name: string;
  readonly material: TlsMaterial;
  /** What HTTP/2 and others agree on in the handshake; undefined = they do not. */
  readonly protocols?: readonly string[];
}

/** A listener that was put behind the gate. */
interface Door {
  readonly name: string;
  readonly server: Server;
  readonly tls: TlsServer;
  readonly material: TlsMaterial;
  /** By the peer's address and port. */
  readonly entrants: Map<string, Entrant>;
  /** Whose socket has closed last: what the library says after that no longer names the peer. */
  left: Entrant | undefined;
}

/** A connection without a finished handshake. */
interface Entrant {
  readonly door: Door;
  readonly socket: Socket;
  readonly address: string;
  /** Of addresses that share their places. */
  readonly group: string;
  readonly peer: string;
  readonly sinceMs: number;
  /** What has come of its hello. */
  hello: Buffer;
  /** Whether that is all of it. */
  spoke: boolean;
}

export class Gate {
  readonly #log: TlsLogger;
  readonly #throttle = new Throttle();
  readonly #pace = new Pace({ share: LOOP_SHARE_MAX, burstMs: BURST_MS });
  /** In order of arrival, in all and by group. */
  readonly #entrants = new Set<Entrant>();
  readonly #groups = new Map<string, Set<Entrant>>();
  /** Those whose turn will come; the first group is the next. */
  readonly #waiting = new Map<string, Entrant[]>();
  readonly #sweep: NodeJS.Timeout;
  #turn: NodeJS.Timeout | undefined;

  constructor(log: TlsLogger) {
    this.#log = log;
    this.#sweep = setInterval(() => this.#endLate(), SWEEP_MS);
    this.#sweep.unref();
  }

  /** Connections whose handshake is not done. */
  get size(): number {
    return this.#entrants.size;
  }

  /**
   * From now on the server's own listeners for "connection" get connections that are encrypted,
   * and only those. `server` itself speaks whatever it spoke before.
   */
  guard(server: Server, options: GuardOptions): void {
    const { name, material } = options;
    const tls = handshaker(options);
    const door: Door = { name, server, tls, material, entrants: new Map(), left: undefined };
    const through = server.listeners("connection");
    server.removeAllListeners("connection");
    server.on("connection", (socket: Socket) => this.#admit(door, socket));
    tls.on("secureConnection", (socket: TLSSocket) => {
      // Whatever the listener does with it, an error of its socket is not thrown at the process.
      socket.on("error", () => {});
      const entrant = door.entrants.get(wirePeerOf(socket));
      if (entrant === undefined) {
        socket.destroy();
        return;
      }
      this.#forget(entrant);
      passOn(entrant.socket, socket);
      for (const each of through) each.call(server, socket);
    });
    tls.on("tlsClientError", (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      const entrant = door.entrants.get(wirePeerOf(socket)) ?? door.left;
      // A certificate that is not good enough ends the connection as if the client had left.
      const code = (socket.authorizationError as unknown as string | null) ?? error.code;
      if (entrant !== undefined) this.#failed(entrant, code, error.message);
      socket.destroy();
    });
  }

  close(): void {
    clearInterval(this.#sweep);
    clearTimeout(this.#turn);
    for (const { socket } of this.#entrants) socket.destroy();
  }

  #admit(door: Door, socket: Socket): void {
    // It may be reset at any moment, and has no other listener yet.
    socket.on("error", () => {});
    const address = socket.remoteAddress;
    if (address === undefined) {
      socket.destroy();
      return;
    }
    const group = groupOf(address);
    const same = this.#groups.get(group) ?? new Set();
    const isRoom =
      (same.size < HANDSHAKES_PER_ADDRESS_MAX || this.#endSilent(same)) &&
      (this.#entrants.size < HANDSHAKES_MAX || this.#endOneFor(same.size));
    if (!isRoom) {
      this.#refuse(door, socket, address);
      return;
    }
    const [peer, sinceMs] = [wirePeerOf(socket), performance.now()];
    const hello = Buffer.alloc(0);
    const entrant = { door, socket, address, group, peer, sinceMs, hello, spoke: false };
    this.#entrants.add(entrant);
    // Under its group again: the last of it may just have been ended.
    this.#groups.set(group, same.add(entrant));
    door.entrants.set(entrant.peer, entrant);
    socket.once("close", () => {
      door.left = entrant;
      this.#forget(entrant);
    });
    const hear = (): void => {
      if (this.#hear(entrant)) socket.off("readable", hear);
    };
    socket.on("readable", hear);
  }

  /**
   * Makes room for one of a group of this size: at the cost of the silent, else of the largest
   * group, so that whoever comes from few addresses cannot keep out whoever comes from others.
   */
  #endOneFor(size: number): boolean {
    if (this.#endSilent(this.#entrants)) return true;
    let largest: Set<Entrant> | undefined;
    for (const group of this.#groups.values()) {
      if (group.size > (largest?.size ?? size + 1)) largest = group;
    }
    if (largest === undefined) return false;
    const [oldest] = largest;
    this.#end(oldest!);
    return true;
  }

  /** The oldest that has not said its hello makes room for a newcomer. */
  #endSilent(entrants: Iterable<Entrant>): boolean {
    for (const entrant of entrants) {
      if (entrant.spoke) continue;
      this.#end(entrant);
      return true;
    }
    return false;
  }

  #refuse({ name }: Door, socket: Socket, address: string): void {
    socket.destroy();
    if (!this.#throttle.allows(`full ${address}`)) return;
    const fields = { address, handshakes: this.#entrants.size };
    this.#log.warn(
      fields,
      `too many TLS handshakes at once: one from ${address} to ${name} was cut`,
    );
  }

  /** Looks at what came first, and leaves it there for the handshake. True: it is all here. */
  #hear(entrant: Entrant): boolean {
    const { door, socket, address, group } = entrant;
    const bytes: Buffer | null = socket.read();
    if (bytes === null) {
      socket.destroy();
      return true;
    }
    entrant.hello = Buffer.concat([entrant.hello, bytes]);
    if (!isTls(entrant.hello)) {
      this.#turnAway(entrant, entrant.hello);
      return true;
    }
    if (!isWholeHello(entrant.hello)) return false;
    socket.unshift(entrant.hello);
    entrant.spoke = true;
    const same = this.#waiting.get(group);
    if (same === undefined) this.#waiting.set(group, [entrant]);
    else same.push(entrant);
    if (this.#turn === undefined) this.#takeTurns();
    this.#log.debug({ address }, `a TLS handshake with ${door.name} begins`);
    return true;
  }

  #turnAway(entrant: Entrant, first: Buffer): void {
    const { door, socket, address } = entrant;
    if (this.#throttle.allows(`plain ${door.name} ${address}`)) {
      const words = `${plainWords(first)} came from ${address} to ${door.name}, which speaks TLS`;
      this.#log.warn({ address }, words);
    }
    socket.end(plainAnswer(first));
  }

  /** Begins as many handshakes as the pace allows now; the rest has to wait. */
  #takeTurns(): void {
    this.#turn = undefined;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const now = performance.now();
      const waitMs = this.#pace.waitMs(now);
      if (waitMs > 0) {
        this.#turn = setTimeout(() => this.#takeTurns(), Math.ceil(waitMs));
        return;
      }
      const { door, socket, group } = next;
      const others = this.#waiting.get(group)!.slice(1);
      this.#waiting.delete(group);
      if (others.length > 0) this.#waiting.set(group, others);
      const { isRsa } = door.material.current;
      this.#pace.begin(now, isRsa ? RSA_HANDSHAKE_MS : EC_HANDSHAKE_MS);
      // As on a listener of Node's own with TLS: who ends before the handshake is done is gone.
      socket.allowHalfOpen = false;
      door.tls.emit("connection", socket);
    }
  }

  #next(): Entrant | undefined {
    for (const [first] of this.#waiting.values()) return first;
    return undefined;
  }

  #failed({ door, address }: Entrant, code: string | undefined, message: string): void {
    const { why, isNews } = handshakeTrouble(code, message);
    const isSaid = isNews && this.#throttle.allows(`${door.name} ${address} ${why}`);
    const line = `a TLS handshake from ${address} with ${door.name} failed: ${why}`;
    this.#log[isSaid ? "warn" : "debug"]({ address, code }, line);
  }

  /** A listener that closes waits for its connections, and has no use for these any more. */
  #endLate(): void {
    const now = performance.now();
    for (const entrant of this.#entrants) {
      const isLate = now - entrant.sinceMs > HANDSHAKE_MS_MAX;
      if (isLate || !entrant.door.server.listening) this.#end(entrant);
    }
  }

  #end(entrant: Entrant): void {
    this.#forget(entrant);
    entrant.socket.destroy();
  }

  #forget(entrant: Entrant): void {
    if (!this.#entrants.delete(entrant)) return;
    const { door, group, peer } = entrant;
    door.entrants.delete(peer);
    const same = this.#groups.get(group);
    same?.delete(entrant);
    if (same?.size === 0) this.#groups.delete(group);
    const waiting = this.#waiting.get(group)?.filter((each) => each !== entrant);
    if (waiting?.length === 0) this.#waiting.delete(group);
    else if (waiting !== undefined) this.#waiting.set(group, waiting);
  }
}

/** Never listens itself: it is given connections one by one. */
function handshaker({ material, protocols }: GuardOptions): TlsServer {
  const tls = createServer({
    ...material.current.context,
    ...(protocols === undefined ? {} : { ALPNProtocols: [...protocols] }),
    requestCert: material.current.context.ca !== undefined,
    rejectUnauthorized: true,
    handshakeTimeout: HANDSHAKE_MS_MAX,
  });
  material.follow(({ context }) => tls.setSecureContext(context));
  return tls;
}
