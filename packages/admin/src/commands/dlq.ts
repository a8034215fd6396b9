/** `tq-admin dlq show|retry|delete`: what has died. */
import type { TaskJson } from "task-queue-client";
import type { Command, Context } from "../command.ts";
import { CliError, EXIT } from "../exit-status.ts";
import { showTask } from "../task-view.ts";
import { taskId, text } from "../values.ts";
import { bulkOptions, isBulk, JOB_TIMEOUT_MS, retryMany } from "./dlq-bulk.ts";

export const dlqShow: Command = {
  usage: "show <id>",
  summary: "Show one dead task with its attempts and errors",
  examples: [["tq-admin dlq show ID -o json | jq .attempts", "what was tried"]],
  arguments: withId,
  async run(context) {
    showTask(context.out, await deadTask(context), context.io.now());
    return EXIT.ok;
  },
};

export const dlqRetry: Command = {
  usage: "retry [id]",
  summary: "Start a dead task, or many, again, with a fresh retry budget",
  examples: [
    ["tq-admin dlq retry --all --per-second 100", "all of them, slowly"],
    ["tq-admin dlq retry --type email.send --dry-run", "how many that would be"],
  ],
  timeoutMs: (args) => (isBulk(args) ? JOB_TIMEOUT_MS : undefined),
  arguments: (parser) =>
    bulkOptions(parser)
      .positional("id", { type: "string", describe: "The task's id" })
      .option("all", { type: "boolean", describe: "All dead tasks" }),
  async run(context) {
    const { client, io, out, args } = context;
    if (isBulk(args)) return retryMany(context);
    if (text(args, "id") === undefined) {
      throw new CliError(EXIT.usage, "name one task by its id, or many by --all or a filter");
    }
    showTask(out, await client.dead.retry(taskId(args)), io.now());
    return EXIT.ok;
  },
};

export const dlqDelete: Command = {
  usage: "delete <id>",
  summary: "Delete a dead task for good",
  examples: [["tq-admin dlq delete ID", "dlq purge deletes many"]],
  arguments: withId,
  async run({ client, out, args }) {
    const id = taskId(args);
    await client.dead.delete(id);
    out.item({ id, deleted: true }, () => [["deleted", id]]);
    return EXIT.ok;
  },
};

function withId(parser: Parameters<Command["arguments"]>[0]): ReturnType<Command["arguments"]> {
  return parser.positional("id", {
    type: "string",
    describe: "The task's id",
    demandOption: true,
  });
}

async function deadTask({ client, args }: Context): Promise<TaskJson> {
  const task = await client.get(taskId(args));
  if (task.state === "dead") return task;
  throw new CliError(EXIT.no, `task ${task.id} is not dead but ${task.state}; see tq-admin get`);
}
