/** Amounts of memory and network addresses as text. */
import { describe, expect, test } from "vitest";
import { parseHostPort } from "../../src/config/address.ts";
import { formatSize, parseSize } from "../../src/config/size.ts";

describe("sizes", () => {
  test.each([
    ["0", 0],
    ["1024", 1024],
    ["64KB", 65_536],
    ["64 kib", 65_536],
    ["1.5MB", 1_572_864],
    ["1GiB", 1_073_741_824],
  ])("%s is %d bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(["", "KB", "-1KB", "1TBx", "1,5MB", "0x10"])("%j is none", (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  test.each([0, 1, 1024, 1536, 1024 ** 2, 3 * 1024 ** 3])("%d is read back", (bytes) => {
    expect(parseSize(formatSize(bytes))).toBe(bytes);
  });
});

describe("addresses", () => {
  test.each([
    ["a:1", { host: "a", port: 1 }],
    ["10.0.1.10:6379", { host: "10.0.1.10", port: 6379 }],
    ["[fe80::1]:65535", { host: "fe80::1", port: 65_535 }],
  ])("%s", (text, address) => {
    expect(parseHostPort(text)).toEqual(address);
  });

  test.each(["a", "a:", ":1", "a:65536", "::1:5", "id@a:1", "http://a:1", "a:1/2", "a b:1"])(
    "%j is none",
    (text) => {
      expect(parseHostPort(text)).toBeUndefined();
    },
  );
});
