/**
 * The price of a task, in counts that do not depend on the machine: three brokers with all that they
 * are made of, in one process whose time is virtual. A change of any figure is either a mistake or
 * progress; which of the two, its author says with `npm run guard -- --accept`.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { accepted, type Book, findings, type Measurements } from "./compare.ts";
import { measure } from "./measure.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const COMPILER = fileURLToPath(import.meta.resolve("typescript/package.json"));
const PROGRAM = `${FOLDER}dist/test/guard/counter.js`;
const NODE = process.versions.node.split(".")[0] as string;
const HOW = "if this is meant, `npm run guard -- --accept` and commit figures.json";
const PATIENCE_MS = 10 * 60_000;

const book = JSON.parse(readFileSync(`${FOLDER}figures.json`, "utf8")) as Book;

describe("1,000 tasks through three brokers", () => {
  beforeAll(() => {
    const compiler = COMPILER.replace("package.json", "bin/tsc");
    execFileSync(process.execPath, [compiler, "-p", FOLDER], { stdio: "inherit" });
  });

  test("cost what they did", { timeout: PATIENCE_MS }, async () => {
    const measured = {
      "50 at a time": await measure(PROGRAM, "50 at a time"),
      "one at a time": await measure(PROGRAM, "one at a time"),
    };
    expect(findings(book, measured, NODE), HOW).toEqual([]);
  });
});

describe("the comparison", () => {
  const plain = { figures: { entries: 20 }, allocated: 100 };
  const same: Measurements = { "50 at a time": plain, "one at a time": plain };
  const known = accepted({}, same, "20");
  const other = (figures: Record<string, number>, allocated: number): Measurements => {
    return { ...same, "50 at a time": { figures, allocated } };
  };

  test("finds nothing where nothing has changed", () => {
    expect(findings(known, same, "20")).toEqual([]);
    expect(findings(known, other({ entries: 20 }, 114), "20")).toEqual([]);
  });

  test("names what is more, less, new or gone, from what to what", () => {
    expect(findings(known, other({ entries: 25 }, 100), "20")).toEqual([
      "50 at a time: entries: 20 -> 25 (+25 %)",
    ]);
    expect(findings(known, other({ fsyncs: 3 }, 50), "20")).toEqual([
      "50 at a time: entries: 20 -> 0 (-100 %)",
      "50 at a time: fsyncs: 0 -> 3",
    ]);
  });

  test("finds more allocations, by the same Node only", () => {
    const more = other({ entries: 20 }, 120);
    expect(findings(known, more, "20")).toEqual([
      "50 at a time: bytes allocated under Node 20: 100 -> 120 (+20 %)",
    ]);
    expect(findings(known, more, "24")).toEqual([]);
    expect(findings(accepted(known, more, "24"), more, "20")).toHaveLength(1);
  });
});
