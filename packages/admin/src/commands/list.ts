/** `tq-admin list`: as many tasks as were asked for, however many pages that takes. */
import type { TaskJson } from "task-queue-client";
import { TASK_STATE_NAMES } from "task-queue-protocol";
import type { Command, Context } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { taskColumns } from "../task-view.ts";
import { duration, text, whole, wrong } from "../values.ts";

/** The states, and the words that other systems have for some of them. */
const STATUSES = [...TASK_STATE_NAMES, "failed", "dead_letter", "delayed"] as const;
type Status = (typeof STATUSES)[number];

const LIMIT_DEFAULT = 100;
const PAGE_MAX = 1_000;

export const list: Command = {
  usage: "list",
  summary: "List tasks",
  examples: [
    ["tq-admin list --status dead --queue mail", "what has failed for good"],
    ["tq-admin list --status pending --older-than 30m", "what waits too long"],
    ["tq-admin list --limit 100000 -o jsonl > tasks.jsonl", "all of it, one task a line"],
  ],
  arguments: (parser) =>
    parser
      .option("status", { type: "string", describe: STATUSES.join(", ") })
      .option("queue", { type: "string", describe: "Of this queue" })
      .option("type", { type: "string", describe: "Of this type" })
      .option("tag", { type: "string", describe: "With this tag" })
      .option("older-than", { type: "string", describe: "Submitted longer ago than, as in 30m" })
      .option("limit", { type: "string", describe: `At most so many [${LIMIT_DEFAULT}]` }),
  async run(context) {
    await context.out.list(tasksOf(context), taskColumns(context.io.now()));
    return EXIT.ok;
  },
};

/** The tasks that the filter of the command line lets through. */
export async function* tasksOf(
  { client, io, out, args }: Context,
  status = readStatus(text(args, "status")),
): AsyncGenerator<TaskJson> {
  const limit = whole(args, "limit", 1, Number.MAX_SAFE_INTEGER) ?? LIMIT_DEFAULT;
  const olderThanMs = duration(args, "older-than");
  const before = olderThanMs === undefined ? Number.POSITIVE_INFINITY : io.now() - olderThanMs;
  const filter = {
    ...given("status", status),
    ...given("queue", text(args, "queue")),
    ...given("type", text(args, "type")),
    ...given("tag", text(args, "tag")),
    // A page of an age filter may hold nothing of use: ask for full pages then.
    limit: olderThanMs === undefined ? Math.min(limit, PAGE_MAX) : PAGE_MAX,
    // A table has no room for payloads; an export without them would be of no use.
    payload: out.format !== "table",
  };
  let count = 0;
  for await (const task of client.list(filter)) {
    if (Date.parse(task.created_at) > before) continue;
    yield task;
    count++;
    if (count >= limit) return;
  }
}

function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

function readStatus(value: string | undefined): Status | undefined {
  if (value === undefined) return undefined;
  const status = STATUSES.find((each) => each === value);
  if (status === undefined) throw wrong("status", value, `one of ${STATUSES.join(", ")}`);
  return status;
}
