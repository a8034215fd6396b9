/**
 * `node bench/top-functions.mjs FOLDER_OR_FILE [COUNT]`: the functions in which a CPU profile's
 * process spent its time itself, not counting what they called, as shares of the time it was not
 * idle. Native functions have no place and often no name: they are shown with their caller. What the
 * profiler itself took is left out.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const [, , place, count = "25"] = process.argv;
if (place === undefined) {
  console.error("usage: node bench/top-functions.mjs FOLDER_OR_FILE [COUNT]");
  process.exit(64);
}
for (const file of profilesIn(place)) {
  console.log(`${file}\n${formatTop(readProfile(file), Number(count))}\n`);
}

/** @returns {string[]} */
function profilesIn(/** @type {string} */ path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".cpuprofile"))
    .sort()
    .map((name) => join(path, name));
}

/** Self time in microseconds by function. */
function readProfile(/** @type {string} */ file) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, "utf8"));
  const parents = parentsOf(nodes);
  const names = new Map(
    nodes.map((/** @type {any} */ node) => [node.id, nameOf(node, parents.get(node.id))]),
  );
  /** @type {Map<string, number>} */
  const times = new Map();
  samples.forEach((/** @type {number} */ id, /** @type {number} */ i) => {
    const name = names.get(id);
    if (name === undefined) return;
    times.set(name, (times.get(name) ?? 0) + timeDeltas[i]);
  });
  return times;
}

function parentsOf(/** @type {any[]} */ nodes) {
  const parents = new Map();
  for (const node of nodes) for (const child of node.children ?? []) parents.set(child, node);
  return parents;
}

/** Undefined for what belongs to the profiler. */
function nameOf(/** @type {any} */ { callFrame }, /** @type {any} */ parent) {
  const { functionName, url } = callFrame;
  const isNative = url === "" && !functionName.startsWith("(");
  if (!isNative || parent === undefined) return placeOf(callFrame);
  if (parent.callFrame.url === "node:inspector") return undefined;
  return `${functionName || "(native)"}  called by ${placeOf(parent.callFrame)}`;
}

/** @param {{ functionName: string, url: string, lineNumber: number }} frame */
function placeOf({ functionName, url, lineNumber }) {
  const name = functionName === "" ? "(anonymous)" : functionName;
  if (url === "") return name;
  const short = url.replace(/^file:\/\//, "").replace(/^.*?\/(?=(packages|node_modules)\/)/, "");
  return `${name}  ${short}:${lineNumber + 1}`;
}

function formatTop(/** @type {Map<string, number>} */ times, /** @type {number} */ wanted) {
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  const busy = total - (times.get("(idle)") ?? 0);
  const head = `  busy ${((busy / total) * 100).toFixed(1)} % of ${(total / 1e6).toFixed(1)} s`;
  const rows = [...times]
    .filter(([name]) => name !== "(idle)")
    .sort(([, a], [, b]) => b - a)
    .slice(0, wanted)
    .map(([name, time]) => `  ${((time / busy) * 100).toFixed(1).padStart(5)} %  ${name}`);
  return [head, ...rows].join("\n");
}
