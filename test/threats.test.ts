/**
 * docs/threats.md against the tests that it names: each is there under that title, so that no claim
 * outlives its proof; and no claim is made without one.
 */
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const LINES = readFileSync("docs/threats.md", "utf8").split("\n");
/** Claims: rows of tables whose last column is their tests. */
const HEAD = "| requirement | how | tests |";
const CELL = / \| ([^|]*) \|$/;
/** A file, and then titles until the next file. */
const FILE = /`([^`]+)`((?:,? "[^"]+")+)/g;

function claims(): string[] {
  const rows: string[] = [];
  let isClaim = false;
  for (const line of LINES) {
    if (line === HEAD) isClaim = true;
    else if (!line.startsWith("|")) isClaim = false;
    else if (isClaim && !line.startsWith("|---")) rows.push(line);
  }
  return rows;
}

function proofsOf(row: string): { file: string; title: string }[] {
  const cell = CELL.exec(row)?.[1] ?? "";
  return [...cell.matchAll(FILE)].flatMap(([, file, titles]) => {
    return [...titles!.matchAll(/"([^"]+)"/g)].map(([, title]) => ({ file: file!, title: title! }));
  });
}

/** What stands first in the brackets of a call, which is where tests have their titles. */
function titlesIn(file: string): string[] {
  const source = readFileSync(file, "utf8");
  return [...source.matchAll(/\(\s*"((?:[^"\\]|\\.)*)"/g)].map(([, title]) => title!);
}

test("there are claims", () => {
  expect(claims().length).toBeGreaterThan(30);
});

test.each(claims())("%s", (row) => {
  const proofs = proofsOf(row);
  expect(proofs).not.toEqual([]);
  // Nothing in the cell is left that was not understood.
  const cell = CELL.exec(row)![1]!;
  expect(cell.replace(FILE, "").replace(/[; ]/g, "")).toBe("");
  for (const { file, title } of proofs) {
    expect(existsSync(file), `${file} is not there`).toBe(true);
    expect(titlesIn(file).includes(title), `${file} has no test "${title}"`).toBe(true);
  }
});
