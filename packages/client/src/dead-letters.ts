/** The dead letter queue: tasks that have failed for good, and wait for somebody to look. */
import type { ErrorGroupsJson, ErrorGroupsParams, TaskJson } from "task-queue-protocol";
import { uuidv7obj } from "uuidv7";
import type { ListFilter, TaskList } from "./task-list.ts";

export interface DeadLetters {
  list(filter?: Omit<ListFilter, "status">): TaskList;
  retry(id: string): Promise<TaskJson>;
  /** What they died of: groups of errors in the order of their fingerprints, page by page. */
  groups(params?: ErrorGroupsParams): Promise<ErrorGroupsJson>;
  /** Removes it for good. */
  delete(id: string): Promise<void>;
}

/** What the dead letter queue needs of the client. */
export interface DeadLetterCalls {
  list(filter: ListFilter): TaskList;
  retry(id: string): Promise<TaskJson>;
  groups(params: ErrorGroupsParams): Promise<ErrorGroupsJson>;
  delete(params: { id: string; request_id: string }): Promise<void>;
}

export function deadLetters(calls: DeadLetterCalls): DeadLetters {
  return {
    list: (filter = {}) => calls.list({ ...filter, status: "dead" }),
    retry: (id) => calls.retry(id),
    groups: (params = {}) => calls.groups(params),
    delete: (id) => calls.delete({ id, request_id: uuidv7obj().toHex() }),
  };
}
