/** A task's id as people read it: 32 hexadecimal digits with dashes. */
import type { TaskId } from "./task.ts";

const DASH_BEFORE: readonly number[] = [4, 6, 8, 10];

export function uuidText(id: TaskId): string {
  let text = "";
  for (let at = 0; at < id.length; at++) {
    if (DASH_BEFORE.includes(at)) text += "-";
    text += id[at]!.toString(16).padStart(2, "0");
  }
  return text;
}
