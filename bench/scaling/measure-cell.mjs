/**
 * Measures one cell in a process of its own, so that no cell inherits another's heap or compiled
 * code: `node measure-cell.mjs SERIES SIZE`. Prints one line of JSON.
 */
import { BATCH_DEFAULT, SERIES } from "./cells.mjs";
import { World } from "./world.mjs";

const WARM_UP_MS = 500;
const SLICES = 5;
const SLICE_MS = 300;

const [series = "", size = ""] = process.argv.slice(2);
const {
  backlog,
  placeOf,
  placeLater = placeOf,
  workers,
  batch = BATCH_DEFAULT,
} = SERIES[series].cell(Number(size));
const world = new World();
await world.fill(backlog, placeOf);
for (const { name, ...options } of workers) world.addWorker(name, options);

const microsOf = ({ user, system }) => user + system;

/** CPU of this process for each task that was leased. */
function slice(ms) {
  const from = process.cpuUsage();
  let leased = 0;
  while (microsOf(process.cpuUsage(from)) < ms * 1000) leased += world.turn(batch, placeLater);
  if (leased === 0) throw new Error(`${series} ${size}: nothing was leased`);
  return microsOf(process.cpuUsage(from)) / leased;
}

slice(WARM_UP_MS);
const micros = Array.from({ length: SLICES }, () => slice(SLICE_MS));
console.log(JSON.stringify(micros));
