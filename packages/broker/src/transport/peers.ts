/**
 * How the configuration names another broker, and how one is dialled.
 *
 *     10.0.1.11:6379                 worker port; the bus is 10000 above it
 *     node2@10.0.1.11:6379           and its node id
 *     node2@10.0.1.11:6379/17000     and its bus port, where `raft.port` moved it
 *     [fd00::11]:6379                IPv6 in brackets
 *
 * A text that is none of these is refused with the text, what is wrong with it and what is allowed.
 */
import { isIPv4, isIPv6 } from "node:net";
import type { NodeId } from "task-queue-raft";
import { BUS_PORT_OFFSET, type Member } from "../ports.ts";

/** Another broker as the configuration names it. */
export interface PeerAddress {
  readonly id?: NodeId;
  /** A name or an IP address, without brackets. */
  readonly host: string;
  /** Where workers and clients reach it. */
  readonly port: number;
  /** Where the other brokers reach it. */
  readonly busPort: number;
}

const PORT_MAX = 65_535;
const ALLOWED = "write host:port, id@host:port or id@host:port/busport, e.g. node2@10.0.1.11:6379";

/** The text names no broker; the message says why and what is allowed. */
export class PeerSyntaxError extends Error {
  override readonly name = "PeerSyntaxError";

  constructor(text: string, wrong: string) {
    super(`peer ${JSON.stringify(text)}: ${wrong}; ${ALLOWED}`);
  }
}

/** Reads one item of `raft.peers`. Throws `PeerSyntaxError`. */
export function parsePeer(text: string): PeerAddress {
  const fault = (wrong: string): never => {
    throw new PeerSyntaxError(text, wrong);
  };
  const at = text.indexOf("@");
  const id = at < 0 ? undefined : text.slice(0, at);
  if (id !== undefined && !/^[^\s@/]+$/.test(id)) fault("no node id before the @");
  const slash = text.indexOf("/", at + 1);
  const hostPort = text.slice(at + 1, slash < 0 ? undefined : slash);
  const [host, port] = splitHostPort(hostPort, fault);
  if (slash < 0 && port > PORT_MAX - BUS_PORT_OFFSET) {
    fault(`the bus port would be ${port + BUS_PORT_OFFSET}, above ${PORT_MAX}: name it`);
  }
  const busPort =
    slash < 0 ? port + BUS_PORT_OFFSET : portOf(text.slice(slash + 1), "bus port", fault);
  return { ...(id === undefined ? {} : { id }), host, port, busPort };
}

/** `host:port`, with brackets around an IPv6 address. */
export function joinHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether the text is one `host:port`. */
export function isHostPort(text: string): boolean {
  const fault: Fault = (wrong) => {
    throw new PeerSyntaxError(text, wrong);
  };
  try {
    splitHostPort(text, fault);
    return true;
  } catch (error) {
    if (error instanceof PeerSyntaxError) return false;
    throw error;
  }
}

/** Whether only this machine can reach what listens at `host:port`. */
export function isLoopback(hostPort: string): boolean {
  return /^(127\.|localhost:|\[::1\]:)/.test(hostPort);
}

/** How a configuration would name this node: what `parsePeer` reads. */
export function peerText({ id, address, bus }: Member): string {
  const portIn = (text: string) => Number(text.slice(text.lastIndexOf(":") + 1));
  const moved = portIn(bus) !== portIn(address) + BUS_PORT_OFFSET;
  return `${id}@${address}${moved ? `/${portIn(bus)}` : ""}`;
}

/** `host:port` of a peer's bus. */
export function busOf(peer: PeerAddress): string {
  return joinHostPort(peer.host, peer.busPort);
}

/**
 * Where to try to reach a member, most likely first: where the configuration says that this id is,
 * where the founding document says, and last the configured addresses that no member owns, since
 * one of them may be where this member has moved to. The handshake finds out who answers.
 */
export function dialAddresses(
  member: Member,
  members: readonly Member[],
  peers: readonly PeerAddress[],
): readonly string[] {
  const owned = new Set(members.map((other) => other.bus));
  const named = peers.filter((peer) => peer.id === member.id).map(busOf);
  const ownerless = peers.filter((peer) => peer.id === undefined && !owned.has(busOf(peer)));
  return [...new Set([...named, member.bus, ...ownerless.map(busOf)])];
}

type Fault = (wrong: string) => never;

function splitHostPort(text: string, fault: Fault): readonly [string, number] {
  const bracketed = /^\[([^\]]*)\]:(.*)$/.exec(text);
  if (bracketed !== null) {
    const host = bracketed[1]!;
    if (!isIPv6(host)) fault(`${JSON.stringify(host)} is no IPv6 address`);
    return [host, portOf(bracketed[2]!, "port", fault)];
  }
  if (isIPv6(text) || text.split(":").length > 2)
    fault("an IPv6 address needs brackets: [::1]:6379");
  const colon = text.indexOf(":");
  if (colon < 0) fault("the port is missing");
  const host = text.slice(0, colon);
  if (host === "") fault("the host is missing");
  if (/^[\d.]+$/.test(host) && !isIPv4(host)) fault(`${JSON.stringify(host)} is no IPv4 address`);
  if (!/^[A-Za-z0-9_.-]+$/.test(host)) fault(`${JSON.stringify(host)} is no host name`);
  return [host, portOf(text.slice(colon + 1), "port", fault)];
}

function portOf(text: string, what: string, fault: Fault): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > PORT_MAX) {
    fault(`${JSON.stringify(text)} is no ${what}, which is a number from 1 to ${PORT_MAX}`);
  }
  return port;
}
