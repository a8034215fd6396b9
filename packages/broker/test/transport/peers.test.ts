/** How the configuration names another broker. */
import { describe, expect, test } from "vitest";
import {
  busOf,
  dialAddresses,
  joinHostPort,
  type PeerAddress,
  parsePeer,
} from "../../src/transport/peers.ts";
import { memberOf } from "./harness.ts";

describe("parsePeer", () => {
  const good: readonly (readonly [string, PeerAddress])[] = [
    ["10.0.1.11:6379", { host: "10.0.1.11", port: 6379, busPort: 16379 }],
    ["node-2.local:6380", { host: "node-2.local", port: 6380, busPort: 16380 }],
    ["b_1:6380", { host: "b_1", port: 6380, busPort: 16380 }],
    ["node2@10.0.1.11:6379", { id: "node2", host: "10.0.1.11", port: 6379, busPort: 16379 }],
    ["node2@host:6379/17000", { id: "node2", host: "host", port: 6379, busPort: 17000 }],
    ["host:60000/7000", { host: "host", port: 60000, busPort: 7000 }],
    ["[::1]:6379", { host: "::1", port: 6379, busPort: 16379 }],
    ["a@[fd00::11]:6379/1", { id: "a", host: "fd00::11", port: 6379, busPort: 1 }],
    ["host:55535", { host: "host", port: 55535, busPort: 65535 }],
  ];
  test.each(good)("%s", (text, expected) => {
    expect(parsePeer(text)).toEqual(expected);
  });

  const bad: readonly (readonly [string, RegExp])[] = [
    ["", /the port is missing/],
    ["host", /the port is missing/],
    [":6379", /the host is missing/],
    ["host:", /"" is no port, which is a number from 1 to 65535/],
    ["host:0", /"0" is no port/],
    ["host:65536/1", /"65536" is no port/],
    ["host:6379x", /"6379x" is no port/],
    ["host:55536", /the bus port would be 65536, above 65535: name it/],
    ["host:6379/", /"" is no bus port/],
    ["host:6379/70000", /"70000" is no bus port/],
    ["@host:6379", /no node id before the @/],
    ["a b@host:6379", /no node id before the @/],
    ["10.0.0.256:6379", /"10\.0\.0\.256" is no IPv4 address/],
    ["10.0.0:6379", /is no IPv4 address/],
    ["ho st:6379", /"ho st" is no host name/],
    ["http://host:6379", /./],
    ["::1", /an IPv6 address needs brackets/],
    ["fd00::11:6379", /an IPv6 address needs brackets/],
    ["[::zz]:6379", /"::zz" is no IPv6 address/],
    ["[::1]", /./],
    ["[::1]:", /is no port/],
  ];
  test.each(bad)("refuses %j", (text, wrong) => {
    expect(() => parsePeer(text)).toThrow(wrong);
    expect(() => parsePeer(text)).toThrow(JSON.stringify(text));
    expect(() => parsePeer(text)).toThrow("write host:port, id@host:port or id@host:port/busport");
  });
});

test("addresses are joined with brackets around IPv6", () => {
  expect(joinHostPort("::1", 5)).toBe("[::1]:5");
  expect(busOf(parsePeer("node2@host:6379"))).toBe("host:16379");
});

test("a member is dialled where configured, then where founded, then where nobody is", () => {
  const members = [memberOf("node1", 20001), memberOf("node2", 20002)];
  const peers = ["node2@10.0.0.2:6379", "127.0.0.1:10001", "10.0.0.9:6379"].map(parsePeer);
  expect(dialAddresses(members[1]!, members, peers)).toEqual([
    "10.0.0.2:16379",
    "127.0.0.1:20002",
    "10.0.0.9:16379",
  ]);
  expect(dialAddresses(members[0]!, members, peers)).toEqual(["127.0.0.1:20001", "10.0.0.9:16379"]);
});
