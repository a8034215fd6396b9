/** Says what became of the mutants: a line for each, and the table of the simulator's README. */
import { IMPOSSIBLE } from "./catalogue.ts";
import type { Mutant } from "./mutant.ts";
import { isFine, isKilled, type Trial, type Verdict } from "./trial.ts";

export const TABLE_BEGINS = "<!-- mutants: written by `npm run mutants -- --table` -->";
export const TABLE_ENDS = "<!-- end of mutants -->";

const MESSAGE_CHARACTERS = 300;

export function describeTrial(trial: Trial): string {
  const head = `${trial.id} (${(trial.ms / 1000).toFixed(0)} s)`;
  if (trial.error !== undefined) return `${head}: ERROR ${trial.error}`;
  const lines = trial.verdicts.map(({ killer, verdict }) => {
    const by = killer.kind === "test" ? killer.file : `simulator ${killer.profile ?? ""}`;
    return `    ${describeVerdict(verdict)} [${by.trim()}]`;
  });
  const mark = isFine(trial) ? "" : isKilled(trial) ? " NOT BY ALL" : " SURVIVED";
  return `${head}:${mark}\n${lines.join("\n")}`;
}

function describeVerdict(verdict: Verdict): string {
  switch (verdict.kind) {
    case "killed": {
      const at = verdict.seed === undefined ? "" : ` at seed ${verdict.seed}`;
      return `killed by ${verdict.by}${at}: ${firstLine(verdict.message)}`;
    }
    case "survived":
      return verdict.seeds === undefined ? "SURVIVED" : `SURVIVED ${verdict.seeds} seeds`;
    case "skipped":
      return "skipped: needs --soak";
    case "error":
      return `ERROR ${verdict.message}`;
  }
}

function firstLine(message: string): string {
  return (message.split("\n")[0] as string).slice(0, MESSAGE_CHARACTERS);
}

const UNMEASURED = "not measured |";

/** The README with a new table; rows of mutants that were not tried stay as they are. */
export function withTable(
  readme: string,
  mutants: readonly Mutant[],
  trials: readonly Trial[],
): string {
  const [before, old, after] = partsOf(readme);
  const measured = measuredIn(old);
  for (const trial of trials) measured.set(trial.id, resultOf(trial));
  const sorted = [...mutants].sort((a, b) => a.trap - b.trap || (a.id < b.id ? -1 : 1));
  const rows = sorted.map(({ id, trap, what }) => {
    return `| ${trap} | \`${id}\` | ${what} | ${measured.get(id) ?? UNMEASURED}`;
  });
  const notes = Object.entries(IMPOSSIBLE).map(([trap, why]) => `- ${trap}: ${why}`);
  const table = [
    "| trap | mutant | the mistake | killed by | seeds |",
    "|---|---|---|---|---|",
    ...rows,
    "",
    "Traps without a mutant:",
    "",
    ...notes,
  ];
  return `${before}${TABLE_BEGINS}\n\n${table.join("\n")}\n\n${TABLE_ENDS}${after}`;
}

/** The ids that the README's table lists, in its order. */
export function listedIn(readme: string): readonly string[] {
  return [...measuredIn(partsOf(readme)[1]).keys()];
}

function partsOf(readme: string): readonly [string, string, string] {
  const begin = readme.indexOf(TABLE_BEGINS);
  const end = readme.indexOf(TABLE_ENDS);
  if (begin < 0 || end < begin) throw new Error(`the README has no place for the table`);
  const inside = readme.slice(begin + TABLE_BEGINS.length, end);
  return [readme.slice(0, begin), inside, readme.slice(end + TABLE_ENDS.length)];
}

/** The last two cells of each row, by mutant. */
function measuredIn(table: string): Map<string, string> {
  const rows = table.matchAll(/^\| \d+ \| `([^`]+)` \|.*\| ([^|]*\|[^|]*\|)$/gm);
  return new Map([...rows].map(([, id, cells]) => [id as string, cells as string]));
}

function resultOf({ verdicts }: Trial): string {
  const killed = verdicts.flatMap(({ killer, verdict }) => {
    return verdict.kind === "killed" ? [{ killer, ...verdict }] : [];
  });
  const by = [...new Set(killed.map((each) => each.by))].map((name) => name.replaceAll("|", "/"));
  const seeds = killed.flatMap(({ killer, seed }) => {
    if (killer.kind === "test") return [];
    return [killer.profile === undefined ? `${seed}` : `${seed} (${killer.profile})`];
  });
  return `${by.join("; ") || "SURVIVED"} | ${seeds.join(", ")} |`;
}
