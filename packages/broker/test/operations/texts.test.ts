/** Small readers and writers of text: durations, instants, cursors, guesses, places in JSON. */
import fc from "fast-check";
import { formatDuration, nearest, parseDuration } from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import { mintId } from "../../src/operations/ids.ts";
import { nestsDeeperThan } from "../../src/operations/json-depth.ts";
import { decodeCursor, encodeCursor } from "../../src/operations/list-cursor.ts";
import { formatDateTime, parseDateTime } from "../../src/operations/rfc3339.ts";
import { JSON_TOO_DEEP, JSON_VALID, scanJson } from "../../src/operations/scan-json.ts";
import { jsonErrorOffset, lineAndColumn } from "../../src/rest/json-error-offset.ts";

describe("durations", () => {
  test.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["1m30s", 90_000],
    ["1h", 3_600_000],
    ["1.5h", 5_400_000],
    ["7d", 604_800_000],
    [" 5s ", 5000],
  ])("%j is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test("a bare number needs a unit from its place", () => {
    expect([parseDuration("5"), parseDuration("5", 1000), parseDuration("0.5", 1000)]).toEqual([
      undefined,
      5000,
      500,
    ]);
  });

  test.each(["", "s", "-5s", "5 s", "1h 5m", "5sec", "1e3s", "∞"])("%j is none", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test("what is written is read back", () => {
    fc.assert(
      fc.property(fc.nat(), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });
});

describe("instants", () => {
  test.each([
    ["1970-01-01T00:00:00Z", 0],
    ["2026-03-31T08:00:00.123Z", Date.UTC(2026, 2, 31, 8, 0, 0, 123)],
    ["2026-03-31t08:00:00.1239z", Date.UTC(2026, 2, 31, 8, 0, 0, 123)],
    ["2026-03-31 08:00:00+02:00", Date.UTC(2026, 2, 31, 6)],
    ["2026-03-31T08:00:00-05:30", Date.UTC(2026, 2, 31, 13, 30)],
    ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
    ["0099-01-01T00:00:00Z", Date.parse("0099-01-01T00:00:00Z")],
  ])("%s", (text, ms) => {
    expect(parseDateTime(text)).toBe(ms);
  });

  test.each([
    "2026-03-31",
    "2026-03-31T08:00Z",
    "2026-03-31T08:00:00",
    "2025-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-10T00:00:00Z",
    "2026-03-31T24:00:00Z",
    "2026-03-31T08:60:00Z",
    "2026-03-31T08:00:60Z",
    "2026-03-31T08:00:00+24:00",
    "31.03.2026",
    "now",
    "",
  ])("%j is none", (text) => {
    expect(parseDateTime(text)).toBeUndefined();
  });

  test("what is written is read back", () => {
    const range = { min: 0, max: Date.UTC(9999, 11, 31), noInvalidDate: true };
    const time = fc.date({
      min: new Date(range.min),
      max: new Date(range.max),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(time, (date) => {
        expect(parseDateTime(formatDateTime(date.getTime()))).toBe(date.getTime());
      }),
    );
  });
});

describe("cursors", () => {
  test("what is written is read back", () => {
    for (const half of ["live", "finished"] as const) {
      for (const after of [undefined, mintId(1_700_000_000_000)]) {
        expect(decodeCursor(encodeCursor({ half, after }))).toEqual({ half, after });
      }
    }
  });

  test("no other text is taken", () => {
    const valid = encodeCursor({ half: "live", after: mintId(1_700_000_000_000) });
    const others = [
      "",
      "AQ",
      "AQI",
      "AgA",
      `${valid}A`,
      valid.slice(1),
      `${valid}=`,
      "a b",
      "AQAA",
    ];
    for (const text of others) expect(() => decodeCursor(text)).toThrow(/^cursor: not a cursor/);
  });
});

describe("the nearest name", () => {
  const names = ["port", "priority", "payload", "data"];
  test.each([
    ["prot", "port"],
    ["PORT", "port"],
    ["piority", "priority"],
    ["paylod", "payload"],
    ["x", undefined],
    ["colour", undefined],
    ["x".repeat(1000), undefined],
  ])("%s", (name, guess) => {
    expect(nearest(name, names)).toBe(guess);
  });
});

describe("nesting", () => {
  test("counts objects and lists, and stops as soon as it knows", () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = i % 2 === 0 ? [deep] : { deep };
    expect(nestsDeeperThan(deep, 32)).toBe(true);
    expect(nestsDeeperThan([{ a: [] }], 3)).toBe(false);
    expect(nestsDeeperThan([{ a: [] }], 2)).toBe(true);
    expect(nestsDeeperThan("text", 0)).toBe(false);
  });
});

describe("where a text stops being JSON", () => {
  test.each([
    ["", 0],
    ["  ", 2],
    ["{", 1],
    ["[1,]", 3],
    ["[1 2]", 3],
    ['{"a"}', 4],
    ['{"a":1,}', 7],
    ["{'a':1}", 1],
    ['["a\nb"]', 3],
    ['["\\x"]', 2],
    ['["abc', 5],
    ["01", 1],
    ["nul", 0],
    ["[}", 1],
    ["{]", 1],
    ["1]", 1],
    ["[1}", 2],
  ])("%j at %d", (text, offset) => {
    expect(jsonErrorOffset(text)).toBe(offset);
  });

  test("it finds no mistake in JSON, and what stands before the mistake is innocent", () => {
    const pieces = fc.constantFrom("{", "}", "[", "]", ",", ":", '"a"', "1", "true", " ", "x", '"');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const text = parts.join("");
        const offset = jsonErrorOffset(text);
        expect(offset).toBeGreaterThanOrEqual(0);
        expect(offset).toBeLessThanOrEqual(text.length);
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        // A valid text ends with everything closed; cut off by one sign more, it is no longer
        // valid.
        if (valid) expect(jsonErrorOffset(`${text} x`)).toBe(text.length + 1);
        else if (offset < text.length) {
          expect(jsonErrorOffset(text.slice(0, offset))).toBe(offset);
        }
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(jsonErrorOffset(json)).toBe(json.length);
      }),
    );
  });

  test("the scan and JSON.parse agree on what is JSON, and on how deep it lies", () => {
    const depthOf = (value: unknown): number => {
      let depth = 0;
      while (nestsDeeperThan(value, depth)) depth++;
      return depth;
    };
    const mutated = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom("", "0", "-", ".", "e", "}", "]", '"', "\\", "é"))
      .map(([json, place, piece]) => {
        const at = place % (json.length + 1);
        return json.slice(0, at) + piece + json.slice(at + 1);
      });
    fc.assert(
      fc.property(mutated, (text) => {
        const bytes = Buffer.from(text);
        let value: unknown;
        try {
          value = JSON.parse(text);
        } catch {
          expect(scanJson(bytes, 500)).toBeGreaterThanOrEqual(0);
          return;
        }
        const depth = depthOf(value);
        expect(scanJson(bytes, depth)).toBe(JSON_VALID);
        if (depth > 0) expect(scanJson(bytes, depth - 1)).toBe(JSON_TOO_DEEP);
      }),
      { numRuns: 1000 },
    );
  });

  test("line and column", () => {
    expect([lineAndColumn("ab\ncd", 0), lineAndColumn("ab\ncd", 4)]).toEqual([
      "line 1, column 1",
      "line 2, column 2",
    ]);
  });
});
