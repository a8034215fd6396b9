/** `tq-admin workers`. */
import type { WorkerJson } from "task-queue-client";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import type { Column } from "../output/table.ts";
import { formatAge, joined } from "../output/words.ts";

export const workers: Command = {
  usage: "workers",
  summary: "Show the workers that are registered",
  examples: [["tq-admin workers -o json | jq length", "how many there are"]],
  watchable: true,
  arguments: (parser) => parser,
  async run({ client, io, out }) {
    await out.list(await client.workers(), columns(io.now()));
    return EXIT.ok;
  },
};

function columns(now: number): readonly Column<WorkerJson>[] {
  return [
    { title: "NAME", text: (worker) => worker.name },
    { title: "STATE", text: (worker) => worker.state },
    {
      title: "RUNNING",
      align: "right",
      text: (worker) => `${worker.running}/${worker.concurrency}`,
    },
    { title: "HEARTBEAT", align: "right", text: (worker) => beat(worker, now) },
    { title: "QUEUES", text: (worker) => joined(worker.queues, "all") },
    { title: "TYPES", text: (worker) => joined(worker.types, "-") },
    { title: "LABELS", text: (worker) => labels(worker) },
    { title: "ID", text: (worker) => worker.id },
  ];
}

function beat(worker: WorkerJson, now: number): string {
  const age = formatAge(worker.last_heartbeat_at, now);
  return age === "-" ? age : `${age} ago`;
}

function labels(worker: WorkerJson): string {
  const pairs = Object.entries(worker.labels).map(([key, value]) => `${key}=${value}`);
  return joined(pairs, "-");
}
