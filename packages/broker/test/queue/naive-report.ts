/** The naive model's opinion on what handlers say of their runs. */
import type { Report } from "../../src/queue/command.ts";
import type { Reply } from "../../src/queue/reply.ts";
import type { NaiveModel } from "./naive-model.ts";
import { ok, refused, type Task } from "./naive-state.ts";

export function report(model: NaiveModel, { session, runs }: Report): Reply {
  if (runs.length > 100) return refused("invalid_request");
  let noted = false;
  for (const { id, token, progress, lines } of runs) {
    const task = model.running({ id, token });
    if (task === undefined || task.attempts.at(-1)?.session !== session) continue;
    if (progress !== "" && Buffer.byteLength(progress) <= 4096) {
      task.progress = { value: progress, at: model.now };
      noted = true;
    }
    for (const { level, text } of lines.slice(-100)) {
      task.lines.push({ at: model.now, level, text: cut(text) });
      noted = true;
    }
  }
  return ok(undefined, !noted);
}

/** The lines that are kept, with their numbers. */
export function keptLines({ lines }: Task) {
  return lines.map((line, at) => ({ number: at + 1, ...line })).slice(-1000);
}

/** The longest beginning of whole characters that has at most 1,024 bytes. */
function cut(text: string): string {
  let kept = "";
  for (const character of text) {
    if (Buffer.byteLength(kept + character) > 1024) break;
    kept += character;
  }
  return kept;
}
