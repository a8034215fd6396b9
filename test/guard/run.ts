/**
 * `npm run guard`: measures, and says what differs from `figures.json`; exit status 1 when anything
 * does. With `--accept` it writes what it has measured into that file instead.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { accepted, type Book, findings, type Measurements } from "./compare.ts";
import { CASE_NAMES, measure } from "./measure.ts";

const PROGRAM = fileURLToPath(new URL("counter.js", import.meta.url));
/** Beside the source; this runs from `dist/test/guard`. */
const BOOK = fileURLToPath(new URL("../../../figures.json", import.meta.url));

const book = JSON.parse(readFileSync(BOOK, "utf8")) as Book;
const node = process.versions.node.split(".")[0] as string;
const measured = Object.fromEntries(
  await Promise.all(CASE_NAMES.map(async (name) => [name, await measure(PROGRAM, name)])),
) as Measurements;
const lines = findings(book, measured, node);
console.log(lines.length === 0 ? "all figures are as committed" : lines.join("\n"));
if (process.argv.includes("--accept")) {
  writeFileSync(BOOK, `${JSON.stringify(accepted(book, measured, node), null, 2)}\n`);
  console.log("accepted");
} else if (lines.length > 0) {
  process.exitCode = 1;
}
