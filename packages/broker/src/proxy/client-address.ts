/**
 * Whose connection it is that a load balancer has made. Whatever looks at a socket's address from
 * then on sees its client's; who the socket is connected to stays known to those who must tell
 * sockets apart.
 */
import type { Socket } from "node:net";

export interface Peer {
  readonly address: string;
  readonly port: number;
}

const wires = new WeakMap<Socket, string>();
const peers = new WeakMap<Socket, Peer>();

/** From now on the socket is a client's. */
export function belongsTo(socket: Socket, peer: Peer): void {
  wires.set(socket, wirePeerOf(socket));
  assign(socket, peer);
}

/** `inner` carries what came through `outer`. */
export function passOn(outer: Socket, inner: Socket): void {
  const peer = peers.get(outer);
  if (peer !== undefined) assign(inner, peer);
}

/** Address and port at the other end of the wire. */
export function wirePeerOf(socket: Socket): string {
  return wires.get(socket) ?? `${socket.remoteAddress} ${socket.remotePort}`;
}

function assign(socket: Socket, peer: Peer): void {
  peers.set(socket, peer);
  const { address, port } = peer;
  const family = address.includes(":") ? "IPv6" : "IPv4";
  Object.defineProperties(socket, {
    remoteAddress: { value: address },
    remotePort: { value: port },
    remoteFamily: { value: family },
  });
}
