/**
 * A copy of the tree outside the repository, in which sources can be broken, compiled and tested
 * without harm. Packages of others are linked, our own are in the copy.
 */
import { execFile } from "node:child_process";
import {
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import type { Edit } from "./mutant.ts";

/** Not needed, or made anew in the copy. */
const LEFT_OUT = new Set(["node_modules", "dist", ".git", "out"]);
const PACKAGES = ["-b"];
const SIMULATOR = ["-p", "test/mutants"];

const run = promisify(execFile);

/** What stands in the way of applying a mutant to the sources under `root`; undefined: nothing. */
export function problemWith(root: string, { file, find, replace }: Edit): string | undefined {
  if (find === replace) return `${file}: the replacement of "${find}" changes nothing`;
  let text: string;
  try {
    text = readFileSync(join(root, file), "utf8");
  } catch {
    return `${file}: there is no such file`;
  }
  const count = text.split(find).length - 1;
  return count === 1 ? undefined : `${file}: "${find}" occurs ${count} times, must be once`;
}

export class WorkingCopy {
  readonly root: string;
  /** Sources as they were, of files that are changed now. */
  readonly #originals = new Map<string, string>();

  private constructor(root: string) {
    this.root = root;
  }

  /** Compiled, so that the first seed can run at once. Throws when the tree does not compile. */
  static async make(source: string): Promise<WorkingCopy> {
    const root = mkdtempSync(join(tmpdir(), "tq-mutants-"));
    cpSync(source, root, {
      recursive: true,
      preserveTimestamps: true,
      filter: (path) => path === source || !LEFT_OUT.has(basename(path)),
    });
    linkModules(join(source, "node_modules"), join(root, "node_modules"));
    const copy = new WorkingCopy(root);
    const problem = await copy.compile(true);
    if (problem === undefined) return copy;
    copy.remove();
    throw new Error(`the tree does not compile:\n${problem}`);
  }

  /** All edits, or none: returns what stands in the way. */
  apply(edits: readonly Edit[]): string | undefined {
    for (const edit of edits) {
      const problem = problemWith(this.root, edit);
      if (problem !== undefined) {
        this.restore();
        return problem;
      }
      const path = join(this.root, edit.file);
      const text = readFileSync(path, "utf8");
      if (!this.#originals.has(path)) this.#originals.set(path, text);
      writeFileSync(
        path,
        text.replace(edit.find, () => edit.replace),
      );
    }
    return undefined;
  }

  restore(): void {
    for (const [path, text] of this.#originals) writeFileSync(path, text);
    this.#originals.clear();
  }

  /** Returns what the compiler has to say; undefined: nothing. Tests do not need the simulator. */
  async compile(withSimulator: boolean): Promise<string | undefined> {
    const compiler = join(this.root, "node_modules/typescript/bin/tsc");
    for (const project of withSimulator ? [PACKAGES, SIMULATOR] : [PACKAGES]) {
      try {
        await run(process.execPath, [compiler, ...project], { cwd: this.root });
      } catch (error) {
        const { stdout, stderr } = error as { stdout?: string; stderr?: string };
        return `${stdout ?? ""}${stderr ?? ""}` || String(error);
      }
    }
    return undefined;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Links to our own packages are relative, so a copy of the link leads into the copy. */
function linkModules(source: string, target: string): void {
  mkdirSync(target);
  for (const name of readdirSync(source)) {
    const path = join(source, name);
    const isLink = lstatSync(path).isSymbolicLink();
    symlinkSync(isLink ? readlinkSync(path) : path, join(target, name));
  }
}
