/**
 * `tq-admin events`: what happens to tasks, as it happens, until somebody ends it. The client goes
 * on where it was after a lost connection, at another broker too; positions are the same on all.
 */
import { type EventFilter, type EventJson, TqError } from "task-queue-client";
import type { Arguments, Command } from "../command.ts";
import { CliError, EXIT } from "../exit-status.ts";
import { taskId, text, wrong } from "../values.ts";

const POSITION = /^\d{1,15}(?:\.\d{1,10})?$/;
const KIND_CHARS = 11;

export const events: Command = {
  usage: "events",
  summary: "Follow what happens to tasks, until Ctrl-C",
  examples: [
    ["tq-admin events --queue mail --kind dead,expired", "of one queue, from now on"],
    ["tq-admin events --from 4711 | jq -r .id", "behind that entry of the log, one a line"],
  ],
  arguments: (parser) =>
    parser
      .option("from", { type: "string", describe: "Behind this position or index [now]" })
      .option("queue", { type: "string", describe: "Of this queue" })
      .option("type", { type: "string", describe: "Of this type" })
      .option("task", { type: "string", describe: "Of the task with this id" })
      .option("kind", { type: "string", describe: "Of these kinds, with commas between them" }),
  async run(context) {
    const { client, out, args } = context;
    let last = positionOf(args);
    const options = last === undefined ? {} : { after: last };
    try {
      for await (const event of client.events(filterOf(args), options)) {
        out.entry(event, () => lineOf(event));
        last = event.position;
      }
    } catch (error) {
      throw isCompacted(error) ? tooOld(error, last) : error;
    }
    return EXIT.ok;
  },
};

function positionOf(args: Arguments): string | undefined {
  const from = text(args, "from");
  if (from === undefined || POSITION.test(from)) return from;
  throw wrong("from", from, "a position such as 4711.5, or an index such as 4711");
}

function filterOf(args: Arguments): EventFilter {
  const given = (["queue", "type", "kind"] as const).map((name) => [name, text(args, name)]);
  const task = text(args, "task") === undefined ? undefined : taskId(args, "task");
  const all = [...given, ["id", task]].filter(([, value]) => value !== undefined);
  return Object.fromEntries(all);
}

function lineOf({ position, at, id, kind, queue, type, state, attempt }: EventJson): string {
  const what = [at, kind.padEnd(KIND_CHARS), id, type, queue, `#${attempt}`, position];
  return (state === kind ? what : [...what, state]).join("  ");
}

function isCompacted(error: unknown): error is TqError {
  return error instanceof TqError && error.code === "position_compacted";
}

/** The index first and the list after it: then nothing that happens in between is missed. */
function tooOld(cause: TqError, last: string | undefined): CliError {
  const seen = last === undefined ? "" : ` (position ${last})`;
  const lines = [
    `position_compacted: the broker keeps no events from there any more${seen}. To start again:`,
    "  index=$(tq-admin cluster-status -o json | jq .applied_index)",
    "  tq-admin list    # how things stand; then what has happened since:",
    "  tq-admin events --from $index",
  ];
  return new CliError(EXIT.data, lines.join("\n"), cause);
}
