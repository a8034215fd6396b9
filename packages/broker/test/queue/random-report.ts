/** Random reports: mostly of runs under way, sometimes late, another's, too long or empty. */
import { LOG_LEVELS } from "../../src/queue/task.ts";
import type { CommandMaker, Table } from "./random-later.ts";

const TEXTS = ["", "half way", "ä".repeat(600), "x".repeat(1025), "😀".repeat(256)];

export const someReport: CommandMaker = (table, { a, b, c }) => {
  const count = a % 97 === 0 ? 101 : 1 + (a % 3);
  const runs = Array.from({ length: count }, (_, at) => oneRun(table, a + at * 7, b + at, c));
  const session = holder(table, a) ?? table.sessions[b % table.sessions.length]!;
  return { type: "report", session, runs };
};

function oneRun(table: Table, a: number, b: number, c: number) {
  const id = table.idOf(a, (task) => task.state === "running");
  const lines = Array.from({ length: lineCount(c) }, (_, at) => ({
    level: LOG_LEVELS[(b + at) % LOG_LEVELS.length]!,
    text: TEXTS[(c + at) % TEXTS.length]!,
  }));
  return { id, token: table.token(id, b), progress: progressOf(b), lines };
}

function lineCount(c: number): number {
  if (c % 5 === 0) return 0;
  return c % 6 === 0 ? 101 : c % 4;
}

function progressOf(b: number): string {
  if (b % 3 === 0) return "";
  return b % 13 === 0 ? JSON.stringify("x".repeat(4094 + (b % 2))) : `{"done":${b}}`;
}

/** Mostly the session of one that runs. */
function holder(table: Table, a: number): string | undefined {
  const tasks = table.model.tasks.filter(({ state }) => state === "running");
  return a % 5 === 0 ? undefined : tasks[a % tasks.length]?.attempts.at(-1)?.session;
}
