/**
 * The verdict on log against mark: lost entries are told apart from entries that were cut away,
 * through the real log store.
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { appended, entries } from "../../../../test/conformance/log-store.ts";
import type { FlushMark } from "../../src/ports.ts";
import { bootVerdict } from "../../src/storage/boot-verdict.ts";
import { NO_MARK } from "../../src/storage/flush-record.ts";
import { type LevelLogStore, openLogStore } from "../../src/storage/log-store.ts";
import { scratchDirectory } from "./scratch.ts";

function mark(applied: number, term: number, index: number): FlushMark {
  return { ...NO_MARK, applied, logDurable: { term, index } };
}

async function logOf(steps: (log: LevelLogStore) => Promise<void>): Promise<LevelLogStore> {
  const path = join(await scratchDirectory(), "log");
  const log = await openLogStore(path, { mode: "create" });
  await steps(log);
  await log.close();
  return log;
}

describe("boot verdict", () => {
  const tenOfTwoTerms = (log: LevelLogStore) =>
    log.append(appended([...entries(1, 6, 1), ...entries(7, 10, 2)]), true);

  test("a log that holds what it held, or more, is clean", async () => {
    const log = await logOf(tenOfTwoTerms);
    const clean = [mark(0, 0, 0), mark(4, 1, 6), mark(6, 2, 7), mark(10, 2, 10)];
    expect(clean.map((each) => bootVerdict(log, each).kind)).toEqual(clean.map(() => "clean"));
  });

  test("a shorter log has lost entries", async () => {
    const log = await logOf(tenOfTwoTerms);
    const verdict = bootVerdict(log, mark(9, 2, 12));
    expect(verdict).toMatchObject({ kind: "recovering", needs: 12, last: { term: 2, index: 10 } });
  });

  test("another term there means that the entry was lost", async () => {
    const log = await logOf(tenOfTwoTerms);
    expect(bootVerdict(log, mark(4, 2, 6))).toMatchObject({ kind: "recovering", needs: 6 });
    expect(bootVerdict(log, mark(4, 1, 7))).toMatchObject({ kind: "recovering", needs: 7 });
  });

  test("a log that ends before the state is recovering", async () => {
    const log = await logOf(tenOfTwoTerms);
    expect(bootVerdict(log, mark(11, 2, 10))).toMatchObject({ kind: "recovering", needs: 11 });
  });

  test("entries that were cut away are not lost, even by a shorter log of a lower term", async () => {
    const log = await logOf(async (open) => {
      await tenOfTwoTerms(open);
      await open.append({ truncateFrom: 7, entries: entries(7, 7, 1) }, true);
    });
    expect(bootVerdict(log, mark(6, 2, 10)).kind).toBe("clean");
    expect(bootVerdict(log, mark(6, 2, 11)).kind).toBe("recovering");
    // What was committed is never cut away.
    expect(bootVerdict(log, mark(8, 2, 10)).kind).toBe("recovering");
  });

  describe("of a log that begins later", () => {
    const compactedTo8 = async (log: LevelLogStore) => {
      await tenOfTwoTerms(log);
      await log.compact(8);
    };

    test("is clean where the state reaches its beginning", async () => {
      const log = await logOf(compactedTo8);
      const clean = [mark(8, 2, 8), mark(8, 2, 10), mark(9, 2, 9), mark(10, 2, 10)];
      expect(clean.map((each) => bootVerdict(log, each).kind)).toEqual(clean.map(() => "clean"));
      // Committed once, and compacted away since.
      expect(bootVerdict(log, mark(8, 1, 5)).kind).toBe("clean");
    });

    test("misses what lies between the state and its beginning", async () => {
      const log = await logOf(compactedTo8);
      const verdict = bootVerdict(log, mark(7, 2, 10));
      expect(verdict).toMatchObject({ kind: "recovering", needs: 8 });
      expect(verdict).toHaveProperty("reason", expect.stringContaining("after entry 8"));
      expect(bootVerdict(log, NO_MARK)).toMatchObject({ kind: "recovering", needs: 8 });
    });

    test("misses an entry at its beginning that was another", async () => {
      const log = await logOf(compactedTo8);
      expect(bootVerdict(log, mark(8, 1, 8))).toMatchObject({ kind: "recovering", needs: 8 });
    });

    test("was reset: the state is that at its beginning", async () => {
      const log = await logOf(async (open) => {
        await tenOfTwoTerms(open);
        await open.reset({ term: 4, index: 50, chain: "0123456789abcdef" });
      });
      expect(bootVerdict(log, mark(50, 4, 50)).kind).toBe("clean");
      expect(bootVerdict(log, mark(49, 4, 50)).kind).toBe("recovering");
      expect(bootVerdict(log, mark(50, 4, 51)).kind).toBe("recovering");
    });
  });
});
