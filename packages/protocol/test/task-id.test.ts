/** Task ids: one text for each id, and only version 7 is one. */
import fc from "fast-check";
import {
  formatTaskId,
  isErrorCode,
  isTaskId,
  ProtocolError,
  parseTaskId,
  TqError,
} from "task-queue-protocol";
import { describe, expect, test } from "vitest";

describe("task ids", () => {
  test("text and bytes", () => {
    const text = "01890a5d-ac96-774b-bcce-b302099a8057";
    const id = parseTaskId(text)!;
    expect(isTaskId(id)).toBe(true);
    expect(formatTaskId(id)).toBe(text);
    expect(parseTaskId(text.toUpperCase())).toEqual(id);
  });

  test("round trip of any version 7", () => {
    fc.assert(
      fc.property(fc.uuid({ version: 7 }), (text) => {
        expect(formatTaskId(parseTaskId(text)!)).toBe(text);
      }),
    );
  });

  test.each([
    "",
    "01890a5d-ac96-474b-bcce-b302099a8057",
    "01890a5d-ac96-774b-7cce-b302099a8057",
    "01890a5dac96774bbcceb302099a8057",
    "01890a5d-ac96-774b-bcce-b302099a805",
    " 01890a5d-ac96-774b-bcce-b302099a8057",
  ])("%j is none", (text) => {
    expect(parseTaskId(text)).toBeUndefined();
  });

  test("15 bytes are none", () => {
    expect(isTaskId(new Uint8Array(15))).toBe(false);
    expect(() => formatTaskId(new Uint8Array(15))).toThrow(ProtocolError);
  });
});

describe("TqError", () => {
  test("knows from the catalogue whether to try again", () => {
    expect(new TqError("no_leader", "x").retryable).toBe(true);
    expect(new TqError("not_found", "x").retryable).toBe(false);
    expect(new TqError("not_found", "x", { field: "id" }).toBody()).toEqual({
      code: "not_found",
      message: "x",
      field: "id",
    });
  });

  test("a name from the prototype is no code", () => {
    expect(isErrorCode("toString")).toBe(false);
    expect(isErrorCode("queue_full")).toBe(true);
  });
});
