/** Short bodies that would be large in memory are refused before they are parsed. */
import { expect, test } from "vitest";
import { hasMoreParts } from "../../src/rest/json-parts.ts";
import { BODY_PARTS_MAX } from "../../src/rest/limits.ts";
import { Harness } from "./harness.ts";

const partsOf = (text: string): number => {
  const bytes = Buffer.from(text);
  let max = 0;
  while (hasMoreParts(bytes, max)) max++;
  return max;
};

test.each([
  ["{}", 1],
  ["[[],{}]", 3],
  ['{"a":1,"b":[1,2,3]}', 4],
  ['"{[:"', 0],
  ['["\\"{[:",":"]', 1],
  ['["\\\\",{}]', 2],
  ['"no end', 0],
  ['"\\', 0],
])("%s has %i parts", (text, count) => {
  expect(partsOf(text)).toBe(count);
});

test("a batch of too many parts is refused, and one of the most is looked at", async () => {
  const rest = new Harness();
  const post = (parts: number) => {
    // The body, its one member and the list are three.
    return rest.send("POST", "/api/v1/tasks/batch", `{"tasks":[${"[],".repeat(parts - 4)}[]]}`);
  };
  const { status, body } = await post(BODY_PARTS_MAX + 1);
  expect([status, body.code]).toEqual([413, "too_large"]);
  expect(body.detail).toContain("250000 objects, lists and members");
  expect((await post(BODY_PARTS_MAX)).body.code).toBe("invalid_request");
});
