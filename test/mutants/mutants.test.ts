/**
 * Do the mutants still fit the tree, and does their runner tell a kill from none? Whether each one
 * is killed takes a while to see: that is `npm run mutants`.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IMPOSSIBLE, MUTANTS, TRAPS } from "./catalogue.ts";
import { type Mutant, suite } from "./mutant.ts";
import { describeTrial } from "./report.ts";
import { DEFAULT_BUDGET, isFine, Pristine, tryMutant } from "./trial.ts";
import { problemWith, WorkingCopy } from "./working-copy.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TRAPS_COVERED_MIN = 45;
const PATIENCE_MS = 10 * 60_000;

describe("the catalogue", () => {
  test("every edit fits the tree exactly once, and changes it", () => {
    const problems = MUTANTS.flatMap(({ id, edits }) => {
      return edits
        .map((edit) => problemWith(ROOT, edit))
        .map((problem) => problem && [id, problem]);
    });
    expect(problems.filter((problem) => problem !== undefined)).toEqual([]);
  });

  test("ids are unique and in kebab-case, and each mutant has edits and killers", () => {
    const ids = MUTANTS.map(({ id }) => id);
    expect([...new Set(ids)]).toEqual(ids);
    expect(ids.filter((id) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id))).toEqual([]);
    const empty = MUTANTS.filter(({ edits, killers }) => edits.length * killers.length === 0);
    expect(empty).toEqual([]);
  });

  test("nearly all traps have a mutant, and of the others it is said why they have none", () => {
    const covered = new Set(MUTANTS.map(({ trap }) => trap));
    expect(covered.size).toBeGreaterThanOrEqual(TRAPS_COVERED_MIN);
    const all = Array.from({ length: TRAPS }, (_, at) => at + 1);
    expect(all.filter((trap) => !covered.has(trap) && IMPOSSIBLE[trap] === undefined)).toEqual([]);
    expect([...covered].filter((trap) => trap in IMPOSSIBLE || !all.includes(trap))).toEqual([]);
  });

  test("the table lists exactly these, and none that was tried as alive", () => {
    const readme = readFileSync(`${ROOT}/test/simulation/README.md`, "utf8");
    const ids = MUTANTS.map(({ id }) => id);
    const rows = [...readme.matchAll(/^\| \d+ \| `([a-z0-9-]+)` \|/gm)].map((row) => row[1]);
    expect(rows.sort()).toEqual(ids.sort());
    expect(readme).not.toMatch(/\| SURVIVED \|/);
  });
});

describe("the runner", () => {
  const quorum = {
    file: "packages/raft/src/quorum.ts",
    find: "return Math.floor(voters / 2) + 1;",
  };
  const killers = [suite("packages/raft/test/quorum.test.ts", "sizes")];
  const mutant = (replace: string): Mutant => {
    return { id: "planted", trap: 11, what: "", edits: [{ ...quorum, replace }], killers };
  };
  const copies: WorkingCopy[] = [];
  const trial = (planted: Mutant) => {
    const [copy, pristine] = copies as [WorkingCopy, WorkingCopy];
    return tryMutant(planted, copy, new Pristine(pristine), DEFAULT_BUDGET);
  };

  beforeAll(async () => {
    copies.push(await WorkingCopy.make(ROOT), await WorkingCopy.make(ROOT));
  }, PATIENCE_MS);
  afterAll(() => {
    for (const copy of copies) copy.remove();
  });

  test("a mutant that a test notices is killed by it", { timeout: PATIENCE_MS }, async () => {
    const killed = await trial(mutant("return Math.ceil(voters / 2);"));
    expect(describeTrial(killed)).toContain("killed by sizes");
    expect(isFine(killed)).toBe(true);
  });

  test("a patch that changes nothing survives", { timeout: PATIENCE_MS }, async () => {
    const survivor = await trial(mutant("return 1 + Math.floor(voters / 2);"));
    expect(describeTrial(survivor)).toContain("SURVIVED");
    expect(isFine(survivor)).toBe(false);
  });

  test("one that does not compile is an error, no kill", { timeout: PATIENCE_MS }, async () => {
    const broken = await trial(mutant("return voters.length;"));
    expect(broken.error).toContain("quorum.ts");
    expect(isFine(broken)).toBe(false);
  });

  test("one that does not fit is an error, and leaves the copy as it was", async () => {
    const edit = { ...quorum, replace: "return 1;" };
    const astray = { ...mutant("return 1;"), edits: [edit, { ...edit, find: "is not there" }] };
    const { error } = await trial(astray);
    expect(error).toContain("occurs 0 times");
    expect(problemWith((copies[0] as WorkingCopy).root, edit)).toBeUndefined();
  });
});
