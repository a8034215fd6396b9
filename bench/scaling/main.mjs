/**
 * What a task costs the queue machine and its dispatcher as backlog, sessions, queues and groups
 * grow: `node bench/scaling/main.mjs [SERIES]...`, after `npm run build`. Prints a table: CPU of
 * one process for each task, the median of five slices of time with the lowest and the highest.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { spread } from "../statistics.mjs";
import { SERIES } from "./cells.mjs";

const CELL = fileURLToPath(new URL("./measure-cell.mjs", import.meta.url));
const run = promisify(execFile);

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !(name in SERIES));
if (unknown !== undefined) {
  console.error(`There is no series "${unknown}". Series: ${Object.keys(SERIES).join(", ")}.`);
  process.exit(2);
}

for (const name of asked.length > 0 ? asked : Object.keys(SERIES)) {
  const { title, sizes } = SERIES[name];
  console.log(`\n${title} (${name})\n\n| size | µs a task | lowest – highest |\n|---|---|---|`);
  for (const size of sizes) {
    const { stdout } = await run(process.execPath, [CELL, name, String(size)]);
    const { median, min, max } = spread(JSON.parse(stdout));
    const range = `${min.toFixed(2)} – ${max.toFixed(2)}`;
    console.log(`| ${size.toLocaleString("en")} | ${median.toFixed(2)} | ${range} |`);
  }
}
