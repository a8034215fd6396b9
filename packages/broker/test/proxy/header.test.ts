/** Headers of the PROXY protocol, both versions: what is one, what may become one, what is none. */
import { describe, expect, test } from "vitest";
import { readHeader } from "../../src/proxy/header.ts";
import { HEADER_BYTES_MAX } from "../../src/proxy/limits.ts";

const START = Buffer.from("0d0a0d0a000d0a515549540a", "hex");

function v2(command: number, family: number, body: Buffer): Buffer {
  const head = Buffer.from([command, family, body.length >> 8, body.length & 0xff]);
  return Buffer.concat([START, head, body]);
}

const IPV4 = Buffer.from([10, 1, 2, 3, 10, 0, 0, 9, 0x30, 0x39, 0x18, 0xeb]);
const IPV6 = Buffer.concat([
  Buffer.from("20010db8000000000000000000000001", "hex"),
  Buffer.alloc(16),
  Buffer.from([0x30, 0x39, 0x18, 0xeb]),
]);
const LINE4 = Buffer.from("PROXY TCP4 10.1.2.3 10.0.0.9 12345 6379\r\n");

const WHOLE: readonly (readonly [string, Buffer, object | undefined])[] = [
  ["v1, IPv4", LINE4, { address: "10.1.2.3", port: 12345 }],
  [
    "v1, IPv6",
    Buffer.from("PROXY TCP6 2001:db8::1 ::1 12345 6379\r\n"),
    { address: "2001:db8::1", port: 12345 },
  ],
  ["v1, unknown", Buffer.from("PROXY UNKNOWN\r\n"), undefined],
  ["v1, unknown with more", Buffer.from("PROXY UNKNOWN ff ff 1 1\r\n"), undefined],
  ["v2, IPv4", v2(0x21, 0x11, IPV4), { address: "10.1.2.3", port: 12345 }],
  ["v2, IPv6", v2(0x21, 0x21, IPV6), { address: "2001:db8::1", port: 12345 }],
  [
    "v2, with more behind it",
    v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.alloc(100)])),
    { address: "10.1.2.3", port: 12345 },
  ],
  ["v2, of the balancer itself", v2(0x20, 0x00, Buffer.alloc(0)), undefined],
  ["v2, of a socket file", v2(0x21, 0x31, Buffer.alloc(216)), undefined],
];

describe.each(WHOLE)("%s", (_, bytes, peer) => {
  test("is read, and nothing behind it", () => {
    const more = Buffer.concat([bytes, Buffer.from("GET /")]);
    expect(readHeader(bytes)).toEqual({ bytes: bytes.length, peer });
    expect(readHeader(more)).toEqual({ bytes: bytes.length, peer });
  });

  test("may come byte by byte", () => {
    for (let length = 0; length < bytes.length; length++) {
      expect([length, readHeader(bytes.subarray(0, length))]).toEqual([length, "more"]);
    }
  });
});

test.each([
  ["a request", Buffer.from("GET / HTTP/1.1\r\n")],
  ["a TLS handshake", Buffer.from([0x16, 3, 1])],
  ["small letters", Buffer.from("proxy TCP4 ")],
  ["no address", Buffer.from("PROXY TCP4 x y 1 2\r\n")],
  ["an address of the other family", Buffer.from("PROXY TCP4 ::1 ::1 1 2\r\n")],
  ["a port that is none", Buffer.from("PROXY TCP4 10.1.2.3 10.0.0.9 65536 1\r\n")],
  ["a line without an end", Buffer.from(`PROXY UNKNOWN ${"x".repeat(200)}`)],
  ["another version", v2(0x31, 0x11, IPV4)],
  ["another command", v2(0x22, 0x11, IPV4)],
  ["addresses that are cut off", v2(0x21, 0x11, IPV4.subarray(0, 10))],
  ["too long a one", Buffer.concat([START, Buffer.from([0x21, 0x11, 0xff, 0xff])])],
])("%s is none", (_, bytes) => {
  expect(readHeader(bytes)).toEqual({ wrong: expect.any(String) });
});

test("one of the greatest length is read", () => {
  const body = Buffer.concat([IPV4, Buffer.alloc(HEADER_BYTES_MAX - 16 - IPV4.length)]);
  expect(readHeader(v2(0x21, 0x11, body))).toMatchObject({ bytes: HEADER_BYTES_MAX });
});
