/** The file of the audit log: its order, its chain, its size, and what survives a crash. */
import { appendFileSync, readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { AuditFile } from "../../src/audit/file.ts";
import { ACTION_MS_MAX, PENDING_MAX, REFUSAL_LINES_MAX, RETRY_MS } from "../../src/audit/limits.ts";
import { checked, deed, NOON, Place } from "./place.ts";

test("one line for each action, in order, chained, on over a restart", async () => {
  const place = await Place.make();
  for (const names of [["x", "y"], ["z"]]) {
    const log = await place.open();
    await Promise.all(names.map((name) => log.action(deed(name))));
    await log.close();
  }
  expect(place.lines.map(({ seq, target }) => [seq, target])).toEqual([
    [1, "x"],
    [2, "y"],
    [3, "z"],
  ]);
  const { hash: _, previous: __, ...rest } = place.lines[0]!;
  const from = { who: "ops", from: "10.0.0.1", door: "rest", verb: "cancel", target: "x" };
  const time = "2030-01-31T12:00:00.000Z";
  expect(rest).toEqual({ seq: 1, time, node: "a", ...from, outcome: "ok", index: 7 });
  expect(place.check()).toMatchObject({ lines: 3, first: 1, last: 3, fault: undefined });
  expect(statSync(place.path).mode & 0o777).toBe(0o600);
});

test("a line is in the file when the action may be answered", async () => {
  const place = await Place.make();
  const log = await place.open();
  await log.action(deed("x"));
  expect(place.lines).toHaveLength(1);
  await log.close();
});

test("full files are put aside, the oldest go, and the chain goes on", async () => {
  const place = await Place.make();
  let log = await place.open(1000, 3);
  for (let i = 1; i <= 30; i++) {
    await log.action(deed(`t${i}`));
    if (i === 15) {
      await log.close();
      log = await place.open(1000, 3);
    }
  }
  const { lines } = await log.read({});
  await log.close();
  expect(readdirSync(place.folder)).toHaveLength(4);
  for (const name of readdirSync(place.folder)) {
    expect(statSync(join(place.folder, name)).size).toBeLessThan(1000);
  }
  const { first, last, fault } = place.check();
  expect([last, fault]).toEqual([30, undefined]);
  expect(first).toBeGreaterThan(1);
  expect(lines[0]).toMatchObject({ seq: first });
});

test("a start with an empty file goes on behind the one before it", async () => {
  const place = await Place.make();
  const log = await place.open();
  await log.action(deed("x"));
  await log.close();
  await (await (await AuditFile.open({ path: place.path, keep: 3 })).rotate()).close();
  const next = await place.open();
  await next.action(deed("y"));
  await next.close();
  expect(place.check()).toMatchObject({ lines: 2, fault: undefined });
});

test.each([1, 2, 60, 250])("a last line that lacks %i bytes is noted", async (lacks) => {
  const place = await Place.make();
  const log = await place.open();
  for (const name of ["x", "y"]) await log.action(deed(name));
  await log.close();
  truncateSync(place.path, statSync(place.path).size - lacks);
  for (let i = 0; i < 2; i++) {
    const again = await place.open();
    await again.action(deed("z"));
    await again.close();
  }
  const torn = lacks > 1 ? 1 : 0;
  expect(place.check()).toMatchObject({ torn, lines: 4, fault: undefined });
  expect(place.lines.filter(({ verb }) => verb === "torn")).toHaveLength(torn);
});

test("what a crash leaves of a first line is noted too", async () => {
  const place = await Place.make();
  appendFileSync(place.path, '{"seq":1,"ti');
  const log = await place.open();
  await log.action(deed("x"));
  await log.close();
  expect(place.check()).toMatchObject({ torn: 1, lines: 2, fault: undefined });
});

test("every change of one bit is found, and so is every line that is gone or moved", async () => {
  const place = await Place.make();
  const log = await place.open();
  for (const name of ["x", "y\u001b[2Jü", "z"]) await log.action(deed(name));
  await log.close();
  const { text } = place;
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
  for (let at = 0; at < text.length; at++) {
    const flipped = String.fromCharCode(text.charCodeAt(at) ^ 1);
    const changed = text.slice(0, at) + flipped + text.slice(at + 1);
    expect(checked(changed).fault, changed).toBeDefined();
    if (at > 0) expect(text[at - 1] === "\n" || checked(text.slice(0, at)).fault).toBeTruthy();
  }
  const [a, b, c] = text.split("\n");
  for (const order of [
    [a, c],
    [b, a, c],
    [a, c, b],
    [a, a, b],
    [a, b, b],
  ]) {
    expect(checked(`${order.join("\n")}\n`).fault).toBeDefined();
  }
  expect(checked(text.replace('"who":', '"who":"x","who":')).fault).toBeDefined();
});

test("a line that was changed is not taken for one that a crash has cut off", async () => {
  const place = await Place.make();
  const log = await place.open();
  for (const name of ["x", "y"]) await log.action(deed(name));
  await log.close();
  truncateSync(place.path, 0);
  appendFileSync(place.path, place.text.replace("y", "x"));
  appendFileSync(place.path, '{"seq":2}\n');
  const again = await place.open();
  await again.action(deed("z"));
  await again.close();
  expect(place.check().fault).toMatch(/line 1 is no line/);
});

test("refusals are one line for each address and code, with their number", async () => {
  const place = await Place.make();
  const log = await place.open();
  const refused = { verb: "", who: "", index: undefined };
  for (let i = 0; i < 100_000; i++) {
    log.refusal(deed("", { ...refused, outcome: i % 4 ? "unauthenticated" : "rate_limited" }));
  }
  await log.close();
  expect(place.lines.map(({ outcome, count }) => [outcome, count])).toEqual([
    ["rate_limited", 25_000],
    ["unauthenticated", 75_000],
  ]);
});

test("a key that the cluster keeps is told from others of its name, and old lines stay right", async () => {
  const place = await Place.make();
  const log = await place.open();
  await log.action(deed("before"));
  const [keyId, otherId] = ["1".repeat(32), "2".repeat(32)];
  await log.action(deed("t", { keyId }));
  for (const each of [keyId, otherId, keyId]) log.refusal(deed("", { keyId: each }));
  await log.close();
  expect(place.lines.map(({ who, key_id, count }) => [who, key_id, count])).toEqual([
    ["ops", undefined, undefined],
    ["ops", keyId, undefined],
    ["ops", keyId, 2],
    ["ops", otherId, 1],
  ]);
  expect(place.lines[0]).not.toHaveProperty("key_id");
  expect(place.check()).toMatchObject({ lines: 4, fault: undefined });
  expect(checked(place.text.replace(otherId, keyId)).fault).toContain("something else than was");
});

test("a flood from many addresses is a few lines and a number", async () => {
  const place = await Place.make();
  const log = await place.open();
  for (let i = 0; i < 5_000; i++) {
    log.refusal(deed("", { from: `10.0.${i % 250}.${i >> 8}`, outcome: "unauthenticated" }));
  }
  await log.close();
  expect(place.lines).toHaveLength(REFUSAL_LINES_MAX + 1);
  expect(place.lines.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(5_000);
  expect(place.lines.at(-1)?.target).toMatch(/^\d+ more refusals$/);
});

test("refusals become lines by themselves", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const place = await Place.make();
  const log = await place.open();
  log.refusal(deed("", { outcome: "permission_denied" }));
  vi.runAllTimers();
  await log.action(deed("x"));
  expect(place.lines.map(({ outcome }) => outcome)).toEqual(["permission_denied", "ok"]);
  await log.close();
});

test("more actions at once than may wait are all written, in their order", async () => {
  const place = await Place.make();
  const log = await place.open();
  const names = Array.from({ length: PENDING_MAX * 3 }, (_, i) => `t${i}`);
  const all = names.map((name) => log.action(deed(name)));
  log.refusal(deed("", { outcome: "unauthenticated" }));
  await Promise.all(all);
  await log.close();
  expect(place.lines.slice(0, names.length).map(({ target }) => target)).toEqual(names);
  expect(place.check()).toMatchObject({ lines: names.length + 1, fault: undefined });
});

test("where it cannot be written the broker goes on, and the log says how many are missing", async () => {
  const place = await Place.make();
  const log = await place.open();
  await log.action(deed("x"));
  const broken = vi.spyOn(AuditFile.prototype, "append").mockImplementation(async function (
    this: AuditFile,
  ) {
    appendFileSync(place.path, '{"seq":2,"half');
    throw new Error("no space");
  });
  const clock = vi.spyOn(performance, "now");
  onTestFinished(() => void vi.restoreAllMocks());
  await log.action(deed("y"));
  await log.action(deed("z"));
  expect(place.errors).toEqual(["the audit log cannot be written: no space"]);
  broken.mockRestore();
  const later = performance.now() + RETRY_MS + 1;
  clock.mockReturnValue(later);
  await log.action(deed("w"));
  await log.close();
  expect(place.lines.map(({ verb, count }) => [verb, count])).toEqual([
    ["cancel", undefined],
    ["torn", undefined],
    ["lost", 2],
    ["cancel", undefined],
  ]);
  expect(place.check().fault).toBeUndefined();
});

test("fields are capped", async () => {
  const place = await Place.make();
  const log = await place.open();
  const long = "ü".repeat(1_000_000);
  await log.action(deed(long, { who: long, from: long, detail: long, verb: long }));
  await log.close();
  expect(place.text.length).toBeLessThan(8_192);
  expect(place.check().fault).toBeUndefined();
});

test("it is read from a position on, over files that were put aside meanwhile", async () => {
  const place = await Place.make();
  const log = await place.open(2000, 100);
  const seen: number[] = [];
  let position: string | undefined;
  for (let i = 1; i <= 40; i++) {
    place.now = NOON + i * 1000;
    await log.action(deed(`t${i}`));
    if (i % 7 > 0) continue;
    for (;;) {
      const page = await log.read(position === undefined ? {} : { position });
      expect(page.node_id).toBe("a");
      seen.push(...page.lines.map(({ seq }) => seq));
      position = page.position;
      if (page.end) break;
    }
  }
  expect(seen).toEqual(Array.from({ length: 35 }, (_, i) => i + 1));
  const since = NOON + 30_000;
  const late: number[] = [];
  let page = await log.read({ since });
  while (!page.end) {
    late.push(...page.lines.map(({ seq }) => seq));
    page = await log.read({ since, position: page.position });
  }
  expect(late).toEqual([30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40]);
  for (const wrong of ["", "7", "-1.0", "1.x", "99999999999999999.0"]) {
    await expect(log.read({ position: wrong })).rejects.toThrow(/position/);
  }
  const gone = log.read({ position: "2.0" });
  await expect(gone).rejects.toMatchObject({ code: "position_compacted" });
  await log.close();
});

test("a log without lines is read as one", async () => {
  const place = await Place.make();
  const log = await place.open();
  const page = await log.read({ since: NOON });
  expect(page).toEqual({ node_id: "a", lines: [], position: "0.0", end: true });
  await log.action(deed("x"));
  expect((await log.read({ position: page.position })).lines).toHaveLength(1);
  await log.close();
});

test("a disk that hangs holds up one action for a while, and none after it", async () => {
  const place = await Place.make();
  const log = await place.open();
  const append = AuditFile.prototype.append;
  let answer = (): void => undefined;
  const hanging = vi.spyOn(AuditFile.prototype, "append").mockImplementation(async function (
    this: AuditFile,
    ...given
  ) {
    await new Promise<void>((resolve) => {
      answer = resolve;
    });
    return append.apply(this, given);
  });
  onTestFinished(() => void vi.restoreAllMocks());
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  let isDone = false;
  const first = log.action(deed("first")).then(() => {
    isDone = true;
  });
  await vi.advanceTimersByTimeAsync(ACTION_MS_MAX - 1);
  expect(isDone).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await first;
  await log.action(deed("second"));
  await expect(log.read({})).rejects.toThrow("does not answer");
  for (let n = 0; n < PENDING_MAX + 5; n++) await log.action(deed("more"));
  hanging.mockRestore();
  answer();
  vi.useRealTimers();
  await log.close();
  const targets = place.lines.map(({ target }) => target);
  expect(targets.slice(0, 3)).toEqual(["first", "6 lines", "second"]);
  expect(targets).toHaveLength(PENDING_MAX + 2);
});
