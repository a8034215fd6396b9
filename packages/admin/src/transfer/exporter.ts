/**
 * Reads a cluster's queues and tasks, page by page, into an export. It is no picture of one
 * instant: what changes meanwhile stands in it as it was when its page was read.
 */
import type { QueueJson, TaskJson } from "task-queue-protocol";
import type { AdminClient } from "../io.ts";
import type { ExportFile } from "./export-file.ts";
import type { ExportFilter, ExportLine, Header, PageLine, QueueLine } from "./format.ts";
import { LiveParents } from "./live-parents.ts";
import { toTaskLine } from "./task-line.ts";

type Source = Pick<AdminClient, "get" | "list" | "queues">;

/** A page may end earlier, when its payloads are large. */
const PAGE_TASKS = 500;
const FIRST: PageLine = { kind: "page", next: null };

/** Header, queues, and the mark from which the tasks are read. */
export async function writeHead(
  source: { queues(): QueueJson[] | Promise<QueueJson[]> },
  file: ExportFile,
  header: Header,
): Promise<void> {
  const { queue: wanted } = header.filter;
  const queues: QueueLine[] = [];
  for (const { name, revision = 0, settings, paused, draining } of await source.queues()) {
    if (revision === 0 || settings === undefined) continue;
    if (wanted !== undefined && wanted !== name) continue;
    const state = { paused: paused === true, draining: draining === true };
    queues.push({ kind: "queue", name, settings, ...state });
  }
  await file.add([header, ...queues, FIRST]);
}

/** `onPage` hears how many tasks there are so far. */
export async function writeTasks(
  source: Source,
  file: ExportFile,
  { filter, exported_at }: Header,
  from: PageLine["next"],
  onPage: (tasks: number) => void,
): Promise<void> {
  const parents = new LiveParents(source);
  const now = Date.parse(exported_at);
  let cursor = from ?? undefined;
  do {
    const page = await source.list({ ...listFilter(filter), ...(cursor && { cursor }) });
    const lines: ExportLine[] = [];
    for (const task of page.tasks) {
      if (isWanted(filter, task)) lines.push(toTaskLine(task, await parents.of(task), now));
    }
    // Those that have ended come behind all others.
    const isOver = !filter.finished && page.tasks.some(({ finished_at }) => finished_at);
    cursor = isOver ? undefined : page.next;
    if (cursor !== undefined) lines.push({ kind: "page", next: cursor });
    await file.add(lines);
    onPage(file.counts.live + file.counts.finished);
  } while (cursor !== undefined);
}

function isWanted({ finished }: ExportFilter, { finished_at }: TaskJson): boolean {
  return finished || finished_at === undefined;
}

function listFilter({ queue, status }: ExportFilter) {
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(status === undefined ? {} : { status }),
    limit: PAGE_TASKS,
    payload: true,
  };
}
