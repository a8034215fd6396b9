/** When calls are begun: a turn after they came, for so long, one address after another. */
import type { ServerHttp2Stream } from "node:http2";
import { expect, test } from "vitest";
import { BEGIN_MS_MAX, WAITING_MAX } from "../../src/grpc/limits.ts";
import { Turns } from "../../src/grpc/turns.ts";

/** Each call takes so long to begin. */
function world(costMs: number) {
  let now = 0;
  const begun: string[] = [];
  const refused: string[] = [];
  const turns = new Turns(() => now);
  const add = (group: string, name: string): ServerHttp2Stream => {
    const stream = { name } as unknown as ServerHttp2Stream;
    const begin = (): void => {
      begun.push(name);
      now += costMs;
    };
    turns.add(group, stream, { begin, refuse: () => refused.push(name) });
    return stream;
  };
  return { turns, begun, refused, add };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("nothing is begun in the turn in which it came, and all of it in the next", async () => {
  const { begun, add } = world(0);
  for (const name of ["a1", "a2", "a3"]) add("a", name);
  expect(begun).toEqual([]);
  await nextTurn();
  expect(begun).toEqual(["a1", "a2", "a3"]);
});

test("a turn begins no more than its milliseconds' worth", async () => {
  const { begun, add } = world(BEGIN_MS_MAX / 2);
  for (const name of ["a1", "a2", "a3", "a4", "a5"]) add("a", name);
  await nextTurn();
  expect(begun).toEqual(["a1", "a2"]);
  await nextTurn();
  expect(begun).toEqual(["a1", "a2", "a3", "a4"]);
  await nextTurn();
  expect(begun).toHaveLength(5);
});

test("one call alone is begun, however long that takes", async () => {
  const { begun, add } = world(100 * BEGIN_MS_MAX);
  add("a", "a1");
  add("a", "a2");
  await nextTurn();
  await nextTurn();
  expect(begun).toEqual(["a1", "a2"]);
});

test("an address with many calls does not hold up one with few", async () => {
  const { begun, add } = world(BEGIN_MS_MAX / 2);
  for (let at = 0; at < 50; at++) add("crowd", "crowd");
  add("b", "b1");
  await nextTurn();
  expect(begun).toEqual(["crowd", "b1"]);
});

test("what is taken back before its turn is never begun", async () => {
  const { turns, begun, add } = world(0);
  const [first, second] = [add("a", "a1"), add("a", "a2")];
  expect(turns.takeBack("a", first)).toBe(true);
  expect(turns.takeBack("a", first)).toBe(false);
  await nextTurn();
  expect(begun).toEqual(["a2"]);
  expect(turns.takeBack("a", second)).toBe(false);
  const third = add("b", "b1");
  expect(turns.takeBack("b", third)).toBe(true);
  await nextTurn();
  expect(begun).toEqual(["a2"]);
});

test("of more than may wait, the newest of the address with most is refused", async () => {
  const { begun, refused, add } = world(0);
  for (let at = 0; at < WAITING_MAX; at++) add("crowd", `crowd ${at}`);
  expect(refused).toEqual([]);
  add("b", "b1");
  expect(refused).toEqual([`crowd ${WAITING_MAX - 1}`]);
  add("crowd", "late");
  expect(refused).toEqual([`crowd ${WAITING_MAX - 1}`, "late"]);
  await nextTurn();
  expect(begun).toHaveLength(WAITING_MAX);
  expect(begun).toContain("b1");
  expect(begun).not.toContain("late");
});

test("where all addresses wait with as many, it is the one that came", () => {
  const { refused, add } = world(0);
  for (let at = 0; at < WAITING_MAX; at++) add(`${at}`, `${at}`);
  add("one more", "one more");
  expect(refused).toEqual(["one more"]);
});

test("those that were begun, taken back or refused leave their places", async () => {
  const { turns, refused, add } = world(0);
  for (let at = 0; at < WAITING_MAX; at++) add("a", `a${at}`);
  await nextTurn();
  const streams = Array.from({ length: WAITING_MAX }, (_, at) => add("a", `a${at}`));
  for (const stream of streams) turns.takeBack("a", stream);
  for (let at = 0; at < WAITING_MAX; at++) add("a", `a${at}`);
  expect(refused).toEqual([]);
  add("a", "refused");
  turns.takeBack("a", add("a", "refused, too"));
  expect(refused).toEqual(["refused", "refused, too"]);
});
