/**
 * The packages as npm packs them, in an empty folder, each beside those that it says it depends on
 * and no others: what is not packed or not declared is missing there.
 */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

interface Manifest {
  readonly name: string;
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, { readonly types: string; readonly default: string }>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const ROOT = resolve(".");
let home: string;
/** The files that npm packs, one for each package. */
let packed: readonly string[];
/** The empty folder, beside which the packages lie: nothing is found there by accident. */
let app: string;
let manifests: Manifest[];

function link(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "tq-packages-"));
  app = join(home, "app");
  const destination = join(home, "packed");
  mkdirSync(destination);
  const args = ["pack", "--workspaces", "--pack-destination", destination, "--loglevel=error"];
  execFileSync("npm", args, { stdio: ["ignore", "ignore", "inherit"] });
  packed = readdirSync(destination).map((file) => join(destination, file));
  manifests = packed.map((file) => {
    const into = join(home, "unpacked", basename(file));
    mkdirSync(into, { recursive: true });
    execFileSync("tar", ["-xzf", file, "-C", into, "--strip-components=1"]);
    const manifest = JSON.parse(readFileSync(join(into, "package.json"), "utf8")) as Manifest;
    link(into, join(app, "node_modules", manifest.name));
    return manifest;
  });
  for (const { name, dependencies = {} } of manifests) {
    for (const dependency of Object.keys(dependencies)) {
      const own = join(app, "node_modules", dependency);
      const target = existsSync(own) ? own : join(ROOT, "node_modules", dependency);
      link(target, join(app, "node_modules", name, "node_modules", dependency));
    }
  }
  link(join(ROOT, "node_modules/@types"), join(app, "node_modules/@types"));
}, 120_000);

afterAll(() => rmSync(home, { recursive: true, force: true }));

function runNode(file: string, code: string): string {
  writeFileSync(join(app, file), code);
  return execFileSync(process.execPath, [join(app, file)], { encoding: "utf8", cwd: app });
}

test("all of the workspaces are there", () => {
  const { workspaces } = JSON.parse(readFileSync("package.json", "utf8")) as {
    workspaces: string[];
  };
  expect(manifests).toHaveLength(workspaces.length);
});

test("what this repository overrides, a package asks for by itself: others install without", () => {
  const { overrides } = JSON.parse(readFileSync("package.json", "utf8")) as {
    overrides: Record<string, string>;
  };
  const asked = manifests.map(({ dependencies = {} }) => dependencies);
  for (const [name, version] of Object.entries(overrides)) {
    expect(asked.map((dependencies) => dependencies[name])).toContain(version);
  }
});

test("each export is packed, with its types", () => {
  const missing = manifests.flatMap(({ name, exports = {} }) =>
    Object.values(exports)
      .flatMap(({ types, default: main }) => [types, main])
      .map((path) => join(app, "node_modules", name, path))
      .filter((path) => !existsSync(path)),
  );
  expect(missing).toEqual([]);
});

test.each([
  ["publint", "--strict"],
  // Nobody can require an ES module under Node 20, and none of them says so.
  ["attw", "--profile", "esm-only"],
])(
  "%s finds nothing wrong with them",
  (tool, ...flags) => {
    for (const file of packed) {
      execFileSync(join(ROOT, "node_modules/.bin", tool), [...flags, file], { encoding: "utf8" });
    }
  },
  180_000,
);

test("each export can be imported", () => {
  const names = manifests.flatMap(({ name, exports = {} }) =>
    Object.keys(exports).map((path) => join(name, path)),
  );
  const imports = names.map((name) => `await import(${JSON.stringify(name)});`).join("\n");
  expect(runNode("imports.mjs", `${imports}\nconsole.log("all");`)).toBe("all\n");
});

test("each program tells its version", () => {
  const bins = manifests.flatMap(({ name, bin = {} }) =>
    Object.values(bin).map((path) => join(app, "node_modules", name, path)),
  );
  expect(bins).toHaveLength(3);
  for (const bin of bins) {
    const version = execFileSync(process.execPath, [bin, "--version"], { encoding: "utf8" });
    expect(version).toMatch(/\d+\.\d+\.\d+/);
  }
});

const APPLICATION = `
import { defineTasks, type StandardSchema, task, TqError, taskWith } from "task-queue-client";
import { createTestBroker } from "task-queue-testing";
import { createWorker, type HandlersOf, type Worker } from "task-queue-worker";

const natural: StandardSchema<number> = {
  "~standard": {
    version: 1,
    vendor: "by hand",
    validate: (value) =>
      Number(value) > 0 ? { value: Number(value) } : { issues: [{ message: "too small" }] },
  },
};
const tasks = defineTasks({
  double: task<number, number>(),
  root: taskWith({ payload: natural, result: natural }),
});
const handlers: HandlersOf<typeof tasks> = { double: (n) => 2 * n, root: (n) => Math.sqrt(n) };
await using broker = await createTestBroker({ tasks });
const worker = await broker.worker({ handlers });
const roots: number[] = [];
worker.on("completed", (event) => event.type === "root" && roots.push(event.result));
const result: number = await broker.client.run("double", 21);
const root: number = await broker.client.run("root", 9);
const refused = await broker.client.submit("root", -1).catch((error: unknown) => error);
// @ts-expect-error there is no such type
broker.client.submit("half", 1).catch(() => {});
// @ts-expect-error it takes a number
broker.client.submit("double", "1").catch(() => {});
const any: Worker = createWorker({ servers: "127.0.0.1:6379", tasks, handlers });
await any.stop();
await worker.pause();
console.log(result, root, refused instanceof TqError, roots.join(), worker.state);
`;

test.each([
  ["nodenext", "nodenext"],
  ["esnext", "bundler"],
])("an application compiles against them with %s and %s, and runs", (module, moduleResolution) => {
  const compilerOptions = {
    target: "es2022",
    module,
    moduleResolution,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    types: ["node"],
  };
  writeFileSync(join(app, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(app, "app.ts"), APPLICATION);
  writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["app.ts"] }));
  execFileSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", app], { stdio: "inherit" });
  const output = execFileSync(process.execPath, [join(app, "app.js")], { encoding: "utf8" });
  expect(output).toBe("42 3 true 3 paused\n");
});
