/**
 * What a load balancer says before the first byte of a connection that it passes on: whose it is,
 * in either version of the PROXY protocol (haproxy.org, proxy-protocol.txt). Reads no further than
 * that, and knows from the first byte on what cannot become such a header.
 */
import { isIPv4, isIPv6 } from "node:net";
import type { Peer } from "./client-address.ts";
import { HEADER_BYTES_MAX } from "./limits.ts";

/** `peer` undefined: the balancer itself asks, or does not know for whom. */
export interface Header {
  readonly bytes: number;
  readonly peer: Peer | undefined;
}

/** `more`: what is here may be the beginning of a header. */
export type Found = Header | "more" | { readonly wrong: string };

const V1_START = Buffer.from("PROXY ");
const V1_BYTES_MAX = 107;
const V1 = /^PROXY (?:UNKNOWN(?: .*)?|TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5}))$/;
const V2_START = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const V2_HEAD_BYTES = 16;
const V2_VERSION = 0x20;
const LOCAL = 0;
const PROXIED = 1;
/** By family and transport: how long an address is. */
const ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [0x11, 4],
  [0x21, 16],
]);
const PORT_MAX = 65_535;

export function readHeader(bytes: Buffer): Found {
  if (startsLike(bytes, V2_START)) return bytes.length < V2_HEAD_BYTES ? "more" : readV2(bytes);
  if (startsLike(bytes, V1_START)) return readV1(bytes);
  return { wrong: "it does not begin with one" };
}

function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
}

function readV1(bytes: Buffer): Found {
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf("\r\n");
  if (end < 0) return bytes.length < V1_BYTES_MAX ? "more" : { wrong: "its line does not end" };
  const match = V1.exec(bytes.toString("latin1", 0, end));
  if (match === null) return { wrong: "its line is not of that form" };
  const [, family, address = "", to = "", port, toPort] = match;
  if (family === undefined) return { bytes: end + 2, peer: undefined };
  const isAddress = family === "4" ? isIPv4 : isIPv6;
  if (!isAddress(address) || !isAddress(to)) return { wrong: "it holds no addresses" };
  if (Number(port) > PORT_MAX || Number(toPort) > PORT_MAX) return { wrong: "it holds no ports" };
  return { bytes: end + 2, peer: { address, port: Number(port) } };
}

function readV2(bytes: Buffer): Found {
  const command = bytes[12]! - V2_VERSION;
  if (command !== LOCAL && command !== PROXIED) return { wrong: "it is of an unknown version" };
  const length = V2_HEAD_BYTES + bytes.readUInt16BE(14);
  if (length > HEADER_BYTES_MAX) return { wrong: `it is longer than ${HEADER_BYTES_MAX} bytes` };
  if (bytes.length < length) return "more";
  const size = ADDRESS_BYTES.get(bytes[13]!);
  if (command === LOCAL || size === undefined) return { bytes: length, peer: undefined };
  const portAt = V2_HEAD_BYTES + 2 * size;
  if (portAt + 4 > length) return { wrong: "its addresses are cut off" };
  const address = textOf(bytes.subarray(V2_HEAD_BYTES, V2_HEAD_BYTES + size));
  return { bytes: length, peer: { address, port: bytes.readUInt16BE(portAt) } };
}

function textOf(address: Buffer): string {
  if (address.length === 4) return address.join(".");
  const groups = Array.from({ length: 8 }, (_, at) => address.readUInt16BE(2 * at).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
