/** Jobs as people see them: one row of a list, all sides of one, and a line that shows how far. */
import type { JobJson } from "task-queue-client";
import type { Context } from "./command.ts";
import { EXIT } from "./exit-status.ts";
import { ProgressLine, progressBar } from "./output/progress.ts";
import type { Column } from "./output/table.ts";
import { flatten, formatAge } from "./output/words.ts";

export function jobColumns(now: number): readonly Column<JobJson>[] {
  return [
    { title: "ID", text: (job) => job.id },
    { title: "KIND", text: ({ kind, dry_run }) => (dry_run ? `${kind} (dry run)` : kind) },
    { title: "STATE", text: (job) => job.state },
    { title: "MATCHED", align: "right", text: (job) => String(job.matched) },
    { title: "CHANGED", align: "right", text: (job) => String(job.changed) },
    { title: "SKIPPED", align: "right", text: (job) => String(job.skipped) },
    { title: "AGE", align: "right", text: (job) => formatAge(job.started_at, now) },
    { title: "FILTER", text: ({ filter }) => filterText(filter) },
  ];
}

/** Looks on until it has ended, with a line on a terminal, and shows what came of it. */
export async function followJob(context: Context, job: JobJson, total?: number): Promise<number> {
  const ended = await endOf(context, job, total);
  context.out.done({ ...ended }, sentence(ended));
  return ended.state === "done" ? EXIT.ok : EXIT.no;
}

/** The job once it has ended, with a line on a terminal until then. */
export async function endOf(
  { client, io }: Pick<Context, "client" | "io">,
  job: JobJson,
  total?: number,
): Promise<JobJson> {
  const line = new ProgressLine(io);
  try {
    return await client.jobs.wait(job.id, (now) => line.draw(progressText(now, total)));
  } finally {
    line.clear();
  }
}

export function showJob({ out }: Context, job: JobJson): void {
  out.item(job, () => flatten(job));
}

/** `total`: how many there are, where that is known; the count of a moment ago. */
export function progressText({ matched, changed }: JobJson, total?: number): string {
  if (total === undefined || total === 0) return `${matched} looked at, ${changed} changed`;
  return progressBar(matched, total);
}

function sentence({ id, kind, dry_run, state, changed, skipped }: JobJson): string {
  const done = { retry: "started again", delete: "deleted", cancel: "cancelled" }[kind];
  if (dry_run) return `${changed} tasks would be ${done}`;
  const rest = skipped === 0 ? "" : `; ${skipped} had become something else by then`;
  const end = state === "done" ? "" : ` before job ${id} was called off`;
  return `${changed} tasks ${done}${end}${rest}`;
}

function filterText(filter: JobJson["filter"]): string {
  return Object.entries(filter)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}
