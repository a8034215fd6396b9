/** One queue as people see it, with all that was said of it. */
import type { QueueJson } from "task-queue-client";
import type { Output } from "../../output/output.ts";
import { flatten } from "../../output/words.ts";

export function showQueue(out: Output, queue: QueueJson): void {
  out.item(queue, () => flatten(queue));
}
