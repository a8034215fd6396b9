/**
 * Which broker is dialled next, and when: hints once, the list in turn, waits that grow at random.
 */
import { describe, expect, test } from "vitest";
import { formatAddress, parseAddress, parseServers, Route } from "../src/connection/index.ts";

const THREE = parseServers("a:1,b:2,c:3");

function names(route: Route, count: number): string[] {
  return Array.from({ length: count }, () => formatAddress(route.next()));
}

describe("Route", () => {
  test("goes through the list in turn from a random place", () => {
    expect(names(new Route(THREE, () => 0), 4)).toEqual(["a:1", "b:2", "c:3", "a:1"]);
    expect(names(new Route(THREE, () => 0.99), 2)).toEqual(["c:3", "a:1"]);
  });

  test("a hint comes first and once; one that is no address is ignored", () => {
    const route = new Route(THREE, () => 0);
    route.hint("leader:9");
    expect(names(route, 2)).toEqual(["leader:9", "a:1"]);
    for (const nothing of ["", "x:y:z", "host:0"]) route.hint(nothing);
    expect(names(route, 1)).toEqual(["b:2"]);
  });

  test("the first try after a success is at once; each in vain doubles the ceiling up to 2 s", () => {
    const route = new Route(THREE, () => 0.5);
    const delays = Array.from({ length: 8 }, () => {
      const delay = route.delayMs();
      route.triedInVain();
      return delay;
    });
    expect(delays).toEqual([0, 25, 50, 100, 200, 400, 800, 1_000]);
    route.succeeded();
    expect(route.delayMs()).toBe(0);
  });
});

describe("addresses", () => {
  test.each([
    ["localhost", { host: "localhost", port: 6379 }],
    ["10.0.0.1:7000", { host: "10.0.0.1", port: 7000 }],
    ["[::1]:7000", { host: "::1", port: 7000 }],
    ["[::1]", { host: "::1", port: 6379 }],
    [" a:1 ", { host: "a", port: 1 }],
  ])("%s", (text, address) => {
    expect(parseAddress(text)).toEqual(address);
    expect(parseAddress(formatAddress(address))).toEqual(address);
  });

  test.each(["", ":1", "a:", "a:0", "a:65536", "a b", "::1", "[::1", "a:1/2"])(
    "%j is refused, with an example",
    (text) => {
      expect(() => parseAddress(text)).toThrow(/for example 127\.0\.0\.1:6379/);
    },
  );
});
