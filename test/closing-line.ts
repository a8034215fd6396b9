/**
 * A vitest reporter: the plain closing line `N passed, N failed` that build servers read.
 *
 * With `TQ_FAILED_FILES` it also writes down which files failed. `.ci/run` gives a file or two a
 * second look and names them; the closing line then counts both runs as one.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import type { Reporter, TestModule } from "vitest/node";

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

interface FirstLook {
  /** Of the files that did not fail. */
  readonly passed: number;
  readonly skipped: number;
  readonly files: readonly string[];
}

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const { TQ_FAILED_FILES: note, TQ_SECOND_LOOK: first } = process.env;
    const total: Tally = { passed: 0, failed: 0, skipped: 0 };
    const sound: Tally = { passed: 0, failed: 0, skipped: 0 };
    const files: string[] = [];
    for (const module of modules) {
      const own = tallyOf(module);
      add(total, own);
      if (own.failed > 0) files.push(relative(process.cwd(), module.moduleId));
      else add(sound, own);
    }
    if (first !== undefined && existsSync(first)) {
      const { passed, skipped } = JSON.parse(readFileSync(first, "utf8")) as FirstLook;
      add(total, { passed, failed: 0, skipped });
    }
    if (note !== undefined) {
      writeFileSync(note, JSON.stringify({ ...sound, files } satisfies FirstLook));
    }
    const tail = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
    process.stdout.write(`\n${total.passed} passed, ${total.failed} failed${tail}\n`);
  }
}

function tallyOf(module: TestModule): Tally {
  const tally: Tally = { passed: 0, failed: module.errors().length > 0 ? 1 : 0, skipped: 0 };
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    if (state === "passed") tally.passed++;
    else if (state === "failed") tally.failed++;
    else tally.skipped++;
  }
  return tally;
}

function add(to: Tally, of: Tally): void {
  to.passed += of.passed;
  to.failed += of.failed;
  to.skipped += of.skipped;
}
