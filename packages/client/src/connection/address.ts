/** Addresses of brokers as people write them: `host:port`, `host`, `[::1]:port`. */
import { TqError } from "task-queue-protocol";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export const DEFAULT_PORT = 6379;

const PATTERN = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+))(?::(\d{1,5}))?$/;

/** Throws `TqError` `invalid_request` that shows the text and what is allowed. */
export function parseAddress(text: string): Address {
  const match = PATTERN.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new TqError(
      "invalid_request",
      `"${text}" is not the address of a broker; write host:port, for example 127.0.0.1:6379`,
      { field: "servers" },
    );
  }
  return { host, port };
}

/** A list of addresses, or one text with commas between them; never empty. */
export function parseServers(servers: string | readonly string[]): Address[] {
  const texts = typeof servers === "string" ? servers.split(",") : servers;
  const addresses = texts.filter((text) => text.trim() !== "").map(parseAddress);
  if (addresses.length > 0) return addresses;
  throw new TqError("invalid_request", "no broker was given; write host:port", {
    field: "servers",
  });
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
