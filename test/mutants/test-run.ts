/** Runs one suite of tests in a working copy and says which of its tests failed. */
import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestKiller } from "./mutant.ts";

export type TestOutcome =
  | { readonly kind: "passed" }
  | { readonly kind: "failed"; readonly test: string; readonly message: string }
  | { readonly kind: "watchdog" }
  /** Nothing was tested: no such test, or the suite could not be loaded. */
  | { readonly kind: "error"; readonly message: string };

interface Assertion {
  readonly status: string;
  readonly title: string;
  readonly failureMessages: readonly string[];
}

interface Report {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly Assertion[];
  }[];
}

/** Of wall time, for one suite; a mutant may loop. */
const PATIENCE_MS = 240_000;
const REPORT = "test-report.json";
const OUTPUT_CHARACTERS = 2000;

export async function runTest(root: string, { file, name }: TestKiller): Promise<TestOutcome> {
  rmSync(join(root, REPORT), { force: true });
  const words = ["run", file, "--reporter=json", `--outputFile=${REPORT}`];
  if (name !== undefined) words.push("-t", name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const { isLate, output } = await vitest(root, words);
  if (isLate) return { kind: "watchdog" };
  let text: string;
  try {
    text = readFileSync(join(root, REPORT), "utf8");
  } catch {
    return { kind: "error", message: `${file} did not run: ${output}` };
  }
  return outcomeOf(file, JSON.parse(text) as Report);
}

function outcomeOf(file: string, { testResults }: Report): TestOutcome {
  const assertions = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = assertions.find(({ status }) => status === "failed");
  if (failed !== undefined) {
    return { kind: "failed", test: failed.title, message: failed.failureMessages.join("\n") };
  }
  if (assertions.some(({ status }) => status === "passed")) return { kind: "passed" };
  const message = testResults.map((each) => each.message).join("\n");
  return { kind: "error", message: `${file}: no test was run. ${message}` };
}

/** A golden file that is missing must fail, not be written; and no runner around us shall show. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST"));
  return { ...Object.fromEntries(own), CI: "true" };
}

function vitest(root: string, words: readonly string[]) {
  return new Promise<{ isLate: boolean; output: string }>((resolve) => {
    const child = spawn(
      process.execPath,
      [join(root, "node_modules/vitest/vitest.mjs"), ...words],
      {
        cwd: root,
        env: cleanEnvironment(),
        stdio: ["ignore", "pipe", "pipe"],
        // With a group of its own, its workers end with it.
        detached: true,
      },
    );
    let output = "";
    let isLate = false;
    const take = (data: Buffer): void => {
      output = (output + data).slice(-OUTPUT_CHARACTERS);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    const watchdog = setTimeout(() => {
      isLate = true;
      process.kill(-child.pid!, "SIGKILL");
    }, PATIENCE_MS);
    child.once("close", () => {
      clearTimeout(watchdog);
      resolve({ isLate, output });
    });
  });
}
