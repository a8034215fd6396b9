/** The log of a task: what its handlers wrote, by numbers that are counted from 1. */
import type { LogsJson } from "task-queue-protocol";
import { TqError } from "task-queue-protocol";
import type { NumberedLine } from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import { idToFind } from "./ids.ts";
import { invalid } from "./invalid.ts";
import { LOG_LIMIT_DEFAULT, LOG_LIMIT_MAX } from "./limits.ts";
import { type Answer, barrier, type ReadOptions } from "./read-options.ts";
import { formatDateTime } from "./rfc3339.ts";

export interface LogsWanted {
  /** Lines behind this number; default 0: from the oldest that is kept. */
  readonly after?: number | undefined;
  readonly limit?: number | undefined;
}

export async function readLogs(
  broker: Broker,
  id: unknown,
  { after = 0, limit = LOG_LIMIT_DEFAULT }: LogsWanted,
  read: ReadOptions,
): Promise<Answer<LogsJson>> {
  if (!(after >= 0)) throw invalid("after", "0 or the number of a line is expected");
  if (!(limit >= 1 && limit <= LOG_LIMIT_MAX)) {
    throw invalid("limit", `1 to ${LOG_LIMIT_MAX} are allowed`);
  }
  const taskId = idToFind(id);
  const index = await barrier(broker, read);
  const page = await broker.logLines(taskId, after, limit);
  if (page === undefined) {
    throw new TqError("not_found", "there is no task with this id", { field: "id" });
  }
  const { lines, next, total } = page;
  return { value: { lines: lines.map(lineToJson), next, total }, index };
}

function lineToJson({ number, at, level, text }: NumberedLine): LogsJson["lines"][number] {
  return { number, at: formatDateTime(at), level, text };
}
