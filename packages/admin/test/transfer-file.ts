/** Files of exports, as tests read them and as they make their own. */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { uuidv7obj } from "uuidv7";

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export interface Read {
  readonly lines: Record<string, unknown>[];
  readonly submits: Map<string, unknown>;
  readonly queues: Map<unknown, unknown>;
}

export async function read(file: string): Promise<Read> {
  const text = await readFile(file, "utf8");
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const tasks = lines.filter(({ kind }) => kind === "task");
  const queues = lines.filter(({ kind }) => kind === "queue");
  return {
    lines,
    submits: new Map(tasks.map(({ submit }) => [submit.id, submit])),
    queues: new Map(queues.map((line) => [line.name, line])),
  };
}

/** An export of these lines, with a last line that fits. */
export async function write(file: string, lines: readonly unknown[]): Promise<void> {
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  const count = (kind: string) => {
    return lines.filter((line) => (line as { kind: string }).kind === kind).length;
  };
  const sha256 = createHash("sha256").update(body).digest("hex");
  const end = { kind: "end", queues: count("queue"), live: count("task"), finished: 0, sha256 };
  await writeFile(file, `${body}${JSON.stringify(end)}\n`);
}

export function header(at: number) {
  const filter = { finished: false };
  const what = { kind: "header", format: "tq-export", version: 1, cluster_id: "elsewhere" };
  return { ...what, exported_at: new Date(at).toISOString(), index: 1, filter };
}

/** A queue that somebody has said something of. */
export function queueLine(name: string, settings: object, paused = false) {
  return { kind: "queue", name, settings, paused, draining: false };
}

export function taskLine(time: number, more: object = {}) {
  const id = uuidv7obj().toString();
  const hex = time.toString(16).padStart(12, "0");
  const old = `${hex.slice(0, 8)}-${hex.slice(8)}${id.slice(13)}`;
  return { kind: "task", submit: { id: old, type: "t", payload: 1, ...more }, was: { state: "x" } };
}
