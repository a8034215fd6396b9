/**
 * `tq-admin list`: as many tasks as were asked for, however many pages that takes. Where `--limit`
 * cuts it off, standard error says with which `--cursor` the rest begins. The lists of dead tasks
 * take the same flags.
 */
import type { ListFilter, TaskJson } from "task-queue-client";
import { TASK_STATE_NAMES } from "task-queue-protocol";
import type { Argv } from "yargs";
import type { Command, Context } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { taskColumns } from "../task-view.ts";
import { duration, moment, text, whole, wrong } from "../values.ts";

/** The states, and the words that other systems have for some of them. */
export const STATUSES = [...TASK_STATE_NAMES, "failed", "dead_letter", "delayed"] as const;
type Status = (typeof STATUSES)[number];

export const LIMIT_DEFAULT = 100;
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
    listOptions(
      parser.option("status", { type: "string", choices: STATUSES, describe: "In this state" }),
      String(LIMIT_DEFAULT),
    ),
  async run(context) {
    const status = readStatus(text(context.args, "status"));
    const tasks = tasksOf(context, status, LIMIT_DEFAULT);
    await context.out.list(tasks, taskColumns(context.io.now()));
    return EXIT.ok;
  },
};

/** `limit`: how many there are at most when nobody says it. */
export function listOptions(parser: Argv, limit: string): Argv {
  return parser
    .option("queue", { type: "string", describe: "Of this queue" })
    .option("type", { type: "string", describe: "Of this type" })
    .option("tag", { type: "string", describe: "With this tag" })
    .option("error", {
      alias: "fingerprint",
      type: "string",
      describe: "Dead with this error: see dlq groups",
    })
    .option("since", { type: "string", describe: "Ended then or later: a time, or 2h ago" })
    .option("until", { type: "string", describe: "Ended before: a time, or 30m ago" })
    .option("older-than", { type: "string", describe: "Submitted longer ago than, as in 30m" })
    .option("limit", { type: "string", describe: `At most so many [${limit}]` })
    .option("cursor", { type: "string", describe: "Go on where a list was cut off" });
}

/** The tasks that the filter of the command line lets through. */
export async function* tasksOf(
  context: Pick<Context, "client" | "io" | "out" | "args">,
  status: Status | undefined,
  limitDefault: number,
): AsyncGenerator<TaskJson> {
  const { client, io, args } = context;
  const filter = filterOf(context, status);
  let left = whole(args, "limit", 1, Number.MAX_SAFE_INTEGER) ?? limitDefault;
  let cursor = text(args, "cursor");
  while (left > 0) {
    const limit = Math.min(left, PAGE_MAX);
    // No page is longer than what is left, so that a cut is where a cursor stands.
    const page = await client.list({ ...filter, limit, ...given("cursor", cursor) });
    yield* page.tasks;
    left -= page.tasks.length;
    cursor = page.next;
    if (cursor === undefined) return;
  }
  io.stderr(`there may be more: --cursor ${cursor}\n`);
}

function filterOf(
  { io, out, args }: Pick<Context, "io" | "out" | "args">,
  status: Status | undefined,
): ListFilter {
  const olderThanMs = duration(args, "older-than");
  const before = olderThanMs === undefined ? undefined : new Date(io.now() - olderThanMs);
  return {
    ...given("status", status),
    ...given("queue", text(args, "queue")),
    ...given("type", text(args, "type")),
    ...given("tag", text(args, "tag")),
    ...given("error", text(args, "error")),
    ...given("finished_from", moment(args, "since", io.now())?.toISOString()),
    ...given("finished_to", moment(args, "until", io.now())?.toISOString()),
    ...given("created_to", before?.toISOString()),
    // A table has no room for payloads; an export without them would be of no use.
    payload: out.format !== "table",
  };
}

function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

/** Undefined: none was given. */
export function readStatus(value: string | undefined): Status | undefined {
  if (value === undefined) return undefined;
  const status = STATUSES.find((each) => each === value);
  if (status === undefined) throw wrong("status", value, `one of ${STATUSES.join(", ")}`);
  return status;
}
