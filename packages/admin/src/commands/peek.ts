/**
 * `tq-admin peek`: the tasks of a queue that are next, without taking them: the highest priority
 * first, and of equal ones the oldest. Where more wait than one look reads, the rest is not
 * considered, and standard error says so.
 */
import type { TaskJson } from "task-queue-client";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { taskColumns } from "../task-view.ts";
import { oneOf, PRIORITIES, text, whole } from "../values.ts";

const TASKS_DEFAULT = 10;
const TASKS_MAX = 100;
/** Of those that wait; a page of a list has a tenth of it. */
const LOOK_MAX = 10_000;
const PAGE_MAX = 1_000;

export const peek: Command = {
  usage: "peek",
  summary: "Show the tasks of a queue that are next, without taking them",
  examples: [
    ["tq-admin peek --queue mail --n 20", "whose turn it is"],
    ["tq-admin peek --queue mail --priority high -o json | jq '.[].payload'", "what is in them"],
  ],
  arguments: (parser) =>
    parser
      .option("queue", { type: "string", describe: "Of this queue [default]" })
      .option("priority", { type: "string", choices: PRIORITIES, describe: "Of this priority" })
      .option("n", { type: "string", describe: `At most so many [${TASKS_DEFAULT}]` }),
  watchable: true,
  async run({ client, io, out, args }) {
    const queue = text(args, "queue") ?? "default";
    const priority = oneOf(args, "priority", PRIORITIES);
    const wanted = whole(args, "n", 1, TASKS_MAX) ?? TASKS_DEFAULT;
    const waiting: TaskJson[] = [];
    let cursor: string | undefined;
    let looks = 0;
    do {
      const from = cursor === undefined ? {} : { cursor };
      const page = await client.list({ queue, status: "pending", limit: PAGE_MAX, ...from });
      waiting.push(...page.tasks);
      cursor = page.next;
    } while (cursor !== undefined && ++looks < LOOK_MAX / PAGE_MAX);
    const next = waiting
      .filter((task) => priority === undefined || task.priority === priority)
      .sort(byTurn)
      .slice(0, wanted);
    if (cursor !== undefined) io.stderr(`only ${waiting.length} tasks were looked at\n`);
    const isTable = out.format === "table";
    const shown = isTable ? next : await Promise.all(next.map(({ id }) => client.get(id)));
    await out.list(shown, taskColumns(io.now()));
    return EXIT.ok;
  },
};

/** Ids begin with the time at which they were made. */
function byTurn(a: TaskJson, b: TaskJson): number {
  const rank = PRIORITIES.indexOf(b.priority) - PRIORITIES.indexOf(a.priority);
  return rank !== 0 ? rank : a.id < b.id ? -1 : 1;
}
