/** `tq-admin logs ID`: what the handlers of a task wrote. */
import type { LogLineJson } from "task-queue-client";
import type { Command, Context } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import type { Column } from "../output/table.ts";
import { taskId, whole } from "../values.ts";

const PAGE = 1_000;
const COLUMNS: readonly Column<LogLineJson>[] = [
  { title: "LINE", align: "right", text: ({ number }) => String(number) },
  { title: "AT", text: ({ at }) => at },
  { title: "LEVEL", text: ({ level }) => level },
  { title: "TEXT", text: ({ text }) => text },
];

export const logs: Command = {
  usage: "logs <id>",
  summary: "Show what the handlers of a task wrote to its log",
  examples: [["tq-admin logs ID --after 500", "the lines behind number 500"]],
  arguments: (parser) =>
    parser
      .positional("id", { type: "string", describe: "The task's id", demandOption: true })
      .option("after", { type: "string", describe: "Only lines behind this number [0]" }),
  async run(context) {
    await context.out.list(linesOf(context), COLUMNS);
    return EXIT.ok;
  },
};

async function* linesOf({ client, args }: Context): AsyncGenerator<LogLineJson> {
  const id = taskId(args);
  let after = whole(args, "after", 0, Number.MAX_SAFE_INTEGER) ?? 0;
  for (;;) {
    const { lines, next, total } = await client.logs(id, { after, limit: PAGE });
    yield* lines;
    if (next >= total || next === after) return;
    after = next;
  }
}
