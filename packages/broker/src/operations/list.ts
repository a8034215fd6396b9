/**
 * Lists of tasks, a page at a time: the live ones first, then the finished ones, newest first. A
 * task that finishes between two pages may stand on both; one that was there all the time is never
 * missed, unless it is started again meanwhile. A page is bounded in tasks, in bytes and in work; a
 * short one that is not the last carries a cursor like any other.
 */
import type { ListJson, TaskJson } from "task-queue-protocol";
import type { TaskId, TaskView } from "../queue/index.ts";
import type { Broker, ListPage } from "./broker.ts";
import { LIST_BYTES_MAX, LIST_ROUNDS_MAX } from "./limits.ts";
import { encodeCursor, type ListCursor } from "./list-cursor.ts";
import type { ListQuery } from "./list-query.ts";
import { type Answer, barrier } from "./read-options.ts";
import { isFinishedOnly } from "./task-filter.ts";
import { bytesOf, type DeadTaskJson, deadTaskToJson, taskToJson } from "./task-to-json.ts";

/** With payloads a look brings few tasks, so that a page of large ones stays near its bound. */
const TASKS_PER_LOOK_WITH_PAYLOAD = 16;

interface Page {
  readonly tasks: readonly TaskView[];
  readonly next: ListCursor | undefined;
}

export async function listTasks(broker: Broker, query: ListQuery): Promise<Answer<ListJson>> {
  return toAnswer(broker, query, taskToJson);
}

/** The dead letter queue, newest first. */
export async function listDead(
  broker: Broker,
  query: ListQuery,
): Promise<Answer<{ tasks: DeadTaskJson[]; next_cursor?: string }>> {
  const filter = { ...query.filter, state: "dead" as const };
  return toAnswer(broker, { ...query, filter }, deadTaskToJson);
}

async function toAnswer<T extends TaskJson>(
  broker: Broker,
  query: ListQuery,
  toJson: (view: TaskView, options: { payload: boolean }) => T,
): Promise<Answer<{ tasks: T[]; next_cursor?: string }>> {
  const index = await barrier(broker, query.read);
  const page = await readPage(broker, query);
  const tasks = page.tasks.map((view) => toJson(view, { payload: query.payload }));
  if (page.next === undefined) return { value: { tasks }, index };
  return { value: { tasks, next_cursor: encodeCursor(page.next) }, index };
}

async function readPage(broker: Broker, query: ListQuery): Promise<Page> {
  const tasks: TaskView[] = [];
  let bytes = 0;
  let position: ListCursor | undefined = startOf(query);
  for (let round = 0; round < LIST_ROUNDS_MAX && position !== undefined; round++) {
    const wanted = lookLimit(query, query.limit - tasks.length);
    const page = await look(broker, query, position, wanted);
    for (const view of page.tasks) {
      tasks.push(view);
      if (query.payload) bytes += bytesOf(view);
      if (bytes >= LIST_BYTES_MAX) return { tasks, next: { ...position, after: view.id } };
    }
    position = following(query, position, page.next);
    // Cut short: it has cost what a page may cost.
    const isSpent = page.next !== undefined && page.tasks.length < wanted;
    if (isSpent || tasks.length >= query.limit) break;
  }
  return { tasks, next: position };
}

function startOf(query: ListQuery): ListCursor {
  const half = isFinishedOnly(query.filter) ? "finished" : "live";
  // A cursor of a list with another filter may stand in a half where nothing can match.
  const usable = hasBothHalves(query) || query.cursor?.half === half;
  return usable && query.cursor !== undefined ? query.cursor : { half, after: undefined };
}

async function look(
  broker: Broker,
  query: ListQuery,
  position: ListCursor,
  limit: number,
): Promise<ListPage> {
  return position.half === "live"
    ? broker.listLive(query.filter, position.after, limit)
    : broker.listFinished(query.filter, position.after, limit);
}

function lookLimit({ payload }: ListQuery, wanted: number): number {
  return payload ? Math.min(wanted, TASKS_PER_LOOK_WITH_PAYLOAD) : wanted;
}

function following(
  query: ListQuery,
  position: ListCursor,
  next: TaskId | undefined,
): ListCursor | undefined {
  if (next !== undefined) return { half: position.half, after: next };
  const more = position.half === "live" && hasBothHalves(query);
  return more ? { half: "finished", after: undefined } : undefined;
}

function hasBothHalves({ filter }: ListQuery): boolean {
  return filter.state === undefined && !isFinishedOnly(filter);
}
