/** Answers as JSON, in which tasks show the numbers of their payloads as they were written. */
import { randomUUID } from "node:crypto";
import { ExactJson } from "../operations/exact-json.ts";

const FIELDS = ["payload", "result"] as const;
const MARK = randomUUID();
const MARKED = new RegExp(`"${MARK}:(\\d+)"`, "g");

type Members = Readonly<Record<string, unknown>>;

/** Of a task, or of anything that has tasks as `tasks`. */
export function toJsonText(answer: unknown): string {
  const kept: string[] = [];
  const json = JSON.stringify(withMarks(answer, kept));
  if (kept.length === 0) return json;
  return json.replace(MARKED, (_, index) => kept[Number(index)]!);
}

function withMarks(answer: unknown, kept: string[]): unknown {
  if (typeof answer !== "object" || answer === null) return answer;
  const { tasks } = answer as Members;
  if (!Array.isArray(tasks)) return taskWithMarks(answer as Members, kept);
  const marked = tasks.map((task: Members) => taskWithMarks(task, kept));
  return kept.length === 0 ? answer : { ...answer, tasks: marked };
}

function taskWithMarks(task: Members, kept: string[]): Members {
  let marked = task;
  for (const field of FIELDS) {
    const value = task[field];
    if (!(value instanceof ExactJson)) continue;
    marked = { ...marked, [field]: `${MARK}:${kept.push(value.text) - 1}` };
  }
  return marked;
}
