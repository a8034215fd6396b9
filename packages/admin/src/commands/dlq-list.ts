/** `tq-admin dlq list` and `dlq export`: the dead letter queue, newest first. */
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { Output } from "../output/output.ts";
import { taskColumns } from "../task-view.ts";
import { text } from "../values.ts";
import { LIMIT_DEFAULT, listOptions, tasksOf } from "./list.ts";

export const dlqList: Command = {
  usage: "list",
  summary: "List dead tasks, newest first",
  examples: [
    ["tq-admin dlq list --queue mail --since 2h", "what has died in the last two hours"],
    ["tq-admin dlq list --error FINGERPRINT", "of one group of dlq groups"],
  ],
  arguments: (parser) => listOptions(parser, String(LIMIT_DEFAULT)),
  async run(context) {
    const tasks = tasksOf(context, "dead", LIMIT_DEFAULT);
    await context.out.list(tasks, taskColumns(context.io.now()));
    return EXIT.ok;
  },
};

export const dlqExport: Command = {
  usage: "export",
  summary: "Write dead tasks with payloads and errors, one a line",
  examples: [
    ["tq-admin dlq export > dead.jsonl", "all of them"],
    ["tq-admin dlq export --older-than 7d --queue mail", "before they are purged"],
  ],
  arguments: (parser) => listOptions(parser, "all"),
  async run(context) {
    const { io, args } = context;
    // Lines, unless something else was asked for: a file of them can be cut, and read in part.
    const asked = text(args, "output") !== undefined;
    const out = asked ? context.out : new Output("jsonl", io.stdout);
    const tasks = tasksOf({ ...context, out }, "dead", Number.MAX_SAFE_INTEGER);
    await out.list(tasks, taskColumns(io.now()));
    return EXIT.ok;
  },
};
