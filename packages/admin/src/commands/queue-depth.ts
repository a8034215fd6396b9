/** `tq-admin queue-depth`. */
import type { QueueJson } from "task-queue-client";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import type { Column } from "../output/table.ts";
import { formatAge } from "../output/words.ts";

const SHOWN = ["pending", "running", "scheduled", "retrying", "dead"] as const;
const UNFINISHED = ["scheduled", "blocked", "pending", "running", "retrying"] as const;

export const queueDepth: Command = {
  usage: "queue-depth",
  summary: "Show how many tasks each queue holds",
  examples: [
    ["tq-admin queue-depth -o json | jq '.[].depth'", "unfinished tasks, by queue"],
    ["tq-admin queue-depth --watch 5s", "as they come and go"],
  ],
  watchable: true,
  arguments: (parser) => parser,
  async run({ client, io, out }) {
    const queues = await client.queues();
    const rows = queues.map((queue) => ({ ...queue, depth: depthOf(queue) }));
    await out.list(rows, columns(io.now()));
    return EXIT.ok;
  },
};

type Row = QueueJson & { readonly depth: number };

function columns(now: number): readonly Column<Row>[] {
  return [
    { title: "QUEUE", text: (queue) => queue.name },
    { title: "DEPTH", align: "right", text: (queue) => String(queue.depth) },
    ...SHOWN.map((state): Column<Row> => {
      const text = (queue: Row): string => String(queue.counts[state] ?? 0);
      return { title: state.toUpperCase(), align: "right", text };
    }),
    { title: "OLDEST", align: "right", text: (queue) => formatAge(queue.oldest_pending_at, now) },
  ];
}

/** Unfinished tasks: what the queue's limit is about. */
function depthOf(queue: QueueJson): number {
  return UNFINISHED.reduce((sum, state) => sum + (queue.counts[state] ?? 0), 0);
}
