/** `host:port`, with IPv6 in brackets: `10.0.1.10:6379`, `[::1]:6379`. */

import { isIP } from "node:net";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const HOST_PORT = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:@/[\]]+)):(\d{1,5})$/;
/** In place of names: whatever is asked for. */
export const ANY_HOST = "*";
const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,252})$/;
const NETWORK = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/;

/** undefined when the text is not of that form. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = HOST_PORT.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  return port > 65535 ? undefined : { host: match[1] ?? match[2]!, port };
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export interface Network {
  readonly address: string;
  /** Bits of it that count. */
  readonly prefix: number;
  readonly type: "ipv4" | "ipv6";
}

/** An address, or a network as `10.0.0.0/8`; undefined: neither. */
export function parseNetwork(text: string): Network | undefined {
  const [, address = "", bits] = NETWORK.exec(text) ?? [];
  const family = isIP(address);
  const most = family === 4 ? 32 : 128;
  const prefix = Number(bits ?? most);
  if (family === 0 || prefix > most) return undefined;
  return { address, prefix, type: family === 4 ? "ipv4" : "ipv6" };
}

/** A name without a port, or `*`. */
export function isHostName(text: string): boolean {
  return text === ANY_HOST || HOST_NAME.test(text);
}

/** "All interfaces": something to listen on, but nothing that another machine could dial. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}
