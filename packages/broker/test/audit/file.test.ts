/** What crashes and disks leave of the files of the audit log, and what a later start makes of it. */
import { createHash } from "node:crypto";
import { appendFileSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { BEGINNING, follow } from "../../src/audit/chain.ts";
import { AuditFile } from "../../src/audit/file.ts";
import { POSITION_MS_MAX, POSITIONS_MAX, RETRY_MS, WINDOW_BYTES } from "../../src/audit/limits.ts";
import { Positions } from "../../src/audit/positions.ts";
import { checked, deed, Place } from "./place.ts";

/** A write that was cut off, this many bytes long. */
function cutOff(place: Place, bytes: number): void {
  appendFileSync(place.path, "\0".repeat(bytes));
}

/** One start of a broker that writes one line, or what a crash leaves of it. */
async function write(place: Place, target: string): Promise<void> {
  const log = await place.open();
  await log.action(deed(target));
  await log.close();
}

describe("a write that was cut off", () => {
  test.each([WINDOW_BYTES - 1, WINDOW_BYTES, WINDOW_BYTES * 3 + 17])(
    "leaves the chain whole behind it, %i bytes long",
    async (bytes) => {
      const place = await Place.make();
      await write(place, "x");
      cutOff(place, bytes);
      await write(place, "y");
      expect(place.lines.map(({ verb }) => verb)).toEqual(["cancel", "torn", "cancel"]);
      expect(place.check()).toMatchObject({ lines: 3, last: 3, torn: 1, fault: undefined });
    },
  );

  test("at the front of a file hides none of the lines behind it", async () => {
    const place = await Place.make();
    cutOff(place, WINDOW_BYTES * 2);
    await write(place, "x");
    await write(place, "y");
    const log = await place.open();
    const { lines } = await log.read({ position: "1.0" });
    expect(lines.map(({ verb, target }) => (verb === "torn" ? verb : target))).toEqual([
      ...["torn", "x", "y"],
    ]);
    await log.close();
    expect(place.check()).toMatchObject({ lines: 3, torn: 1, fault: undefined });
  });

  test("in all of a file goes on behind the newest one before it that has a line", async () => {
    const place = await Place.make();
    await write(place, "x");
    const file = await AuditFile.open({ path: place.path, keep: 3 });
    await (await file.rotate()).close();
    cutOff(place, WINDOW_BYTES + 1);
    await write(place, "y");
    expect(place.check()).toMatchObject({ lines: 3, torn: 1, fault: undefined });
  });

  test("costs little to look through, however many lines it seems to be", async () => {
    const place = await Place.make();
    await write(place, "x");
    appendFileSync(place.path, "\n".repeat(WINDOW_BYTES * 2));
    const parse = vi.spyOn(JSON, "parse");
    onTestFinished(() => void vi.restoreAllMocks());
    await write(place, "y");
    expect(parse.mock.calls.length).toBeLessThan(10);
    vi.restoreAllMocks();
    expect(place.lines.map(({ verb }) => verb)).toEqual(["cancel", "torn", "cancel"]);
  });

  test("does not make a file seem older than those that were put aside before it", async () => {
    const place = await Place.make();
    const log = await place.open(1000, 2);
    for (let i = 0; i < 12; i++) await log.action(deed(`t${i}`));
    await log.close();
    cutOff(place, WINDOW_BYTES + 1);
    const next = await place.open(1000, 2);
    for (let i = 0; i < 6; i++) await next.action(deed(`t${i}`));
    await next.close();
    const names = readdirSync(place.folder).map((name) => Number(name.slice("audit.log.".length)));
    expect(Math.min(...names.filter((first) => first > 0))).toBeGreaterThan(7);
    expect(place.check()).toMatchObject({ last: 19, fault: undefined });
  });
});

describe("two writes in a row that were cut off", () => {
  test.each([1, 2, 40, 200, 450])("are no tampering, %i bytes into the second", async (reached) => {
    const place = await Place.make();
    await write(place, "x");
    appendFileSync(place.path, '{"seq":2,"time":"20');
    const { size } = statSync(place.path);
    await write(place, "y");
    truncateSync(place.path, size + reached);
    await write(place, "z");
    expect(place.lines.at(-1)?.target).toBe("z");
    expect(place.check().fault).toBeUndefined();
  });

  test("are still known by their bytes", async () => {
    const place = await Place.make();
    await write(place, "x");
    appendFileSync(place.path, '{"seq":2,"first\n{"seq":2,"second');
    await write(place, "y");
    const { text } = place;
    expect(checked(text)).toMatchObject({ lines: 3, torn: 2, fault: undefined });
    for (const other of [text.replace("second", "secund"), text.replace("first\n", "first")]) {
      expect(checked(other).fault).toMatch(/^line 2 is no line/);
    }
  });

  test("are none where a line is whole that was never written", async () => {
    const place = await Place.make();
    await write(place, "x");
    appendFileSync(place.path, '{"seq":2,"first\n{"seq":2}');
    await write(place, "y");
    expect(place.check().fault).toMatch(/^line 2 is no line/);
  });

  test("are what a broker up to 0.4.0 has written of them", () => {
    const own = { time: "", node: "a", who: "", from: "", door: "process", outcome: "ok" };
    const before = follow(BEGINNING, { ...own, verb: "start", target: "" });
    // It counted the newline that was the last byte of what it found.
    const found = '{"seq":2,"ti\n';
    const hash = createHash("sha256").update(found).digest("hex");
    const target = `${found.length} bytes, SHA-256 ${hash}`;
    const torn = follow(before.at, { ...own, verb: "torn", target });
    const text = `${before.text}\n${found}${torn.text}\n`;
    expect(checked(text)).toMatchObject({ lines: 2, torn: 1, fault: undefined });
  });
});

describe("a full file that cannot be renamed", () => {
  test("is gone on with, and no line is lost", async () => {
    const place = await Place.make();
    const clock = vi.spyOn(performance, "now");
    onTestFinished(() => void vi.restoreAllMocks());
    const log = await place.open(1000, 3);
    await log.action(deed("t1"));
    // A folder that is not empty is in the way.
    const inTheWay = `${place.path}.1`;
    mkdirSync(join(inTheWay, "inside"), { recursive: true });
    for (const name of ["t2", "t3", "t4", "t5"]) await log.action(deed(name));
    const seen = (await log.read({})).lines;
    expect(seen.map(({ target }) => target)).toEqual(["t1", "t2", "t3", "t4", "t5"]);
    expect(place.errors).toEqual([expect.stringContaining("cannot be put aside or removed")]);
    rmSync(inTheWay, { recursive: true });
    clock.mockReturnValue(performance.now() + RETRY_MS + 1);
    await log.action(deed("t6"));
    await log.close();
    expect(readdirSync(place.folder).sort()).toEqual(["audit.log", "audit.log.1"]);
    expect(place.check()).toMatchObject({ lines: 6, last: 6, fault: undefined });
  });

  test("nor followed by a new one, which is gone on with too", async () => {
    const place = await Place.make();
    const log = await place.open(1000, 3);
    await log.action(deed("t1"));
    const broken = vi.spyOn(AuditFile, "open").mockRejectedValue(new Error("too many files"));
    onTestFinished(() => void vi.restoreAllMocks());
    for (const name of ["t2", "t3", "t4"]) await log.action(deed(name));
    broken.mockRestore();
    await log.close();
    expect(readdirSync(place.folder)).toEqual(["audit.log"]);
    expect(place.check()).toMatchObject({ lines: 4, fault: undefined });
  });
});

describe("a position", () => {
  test("goes on with a reading only for whom it was named, and a moment ago", async () => {
    const place = await Place.make();
    const log = await place.open();
    await log.action(deed("x"));
    const { position } = await log.read({}, "ops");
    expect(log.isContinued("ops", position)).toBe(true);
    expect(log.isContinued("other", position)).toBe(false);
    expect(log.isContinued("ops", "1.1")).toBe(false);
    vi.spyOn(performance, "now").mockReturnValue(performance.now() + POSITION_MS_MAX + 1);
    onTestFinished(() => void vi.restoreAllMocks());
    expect(log.isContinued("ops", position)).toBe(false);
    await log.close();
  });

  test("is forgotten when there are too many, the oldest first", () => {
    const positions = new Positions();
    for (let i = 0; i <= POSITIONS_MAX; i++) positions.name("ops", `1.${i}`, 0);
    expect(positions.isNamed("ops", "1.0", 0)).toBe(false);
    expect(positions.isNamed("ops", "1.1", 0)).toBe(true);
  });
});
