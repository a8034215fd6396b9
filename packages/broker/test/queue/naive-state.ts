/** The naive model's tasks and sessions: plain objects with everything in them. */
import type { RefusalCode, Reply } from "../../src/queue/reply.ts";
import type {
  Attempt,
  LogLine,
  Progress,
  RetryPolicy,
  TaskContent,
  TaskError,
  TaskId,
  TaskState,
  TaskView,
} from "../../src/queue/task.ts";

export const DAY = 86_400_000;
export const MINUTES_5 = 300_000;
export const FINAL: readonly TaskState[] = ["completed", "dead", "cancelled", "expired"];

export interface Task {
  id: TaskId;
  content: TaskContent;
  retry: RetryPolicy;
  state: TaskState;
  /** Where it is; that of its content, or a dead letter queue. */
  queue: string;
  /** It has been moved since it was submitted, or started again. */
  isDeadLetter: boolean;
  /**
   * Versions of the cluster in which it was submitted, and in which it has ended; 0 = it has not.
   */
  madeIn: number;
  endedIn: number;
  order: number;
  attempts: Attempt[];
  deliveries: number;
  failures: number;
  dueAt: number;
  /** Not begun by then it expires; 0 = never. */
  expiresAt: number;
  createdAt: number;
  updatedAt: number;
  startedAt: number;
  finishedAt: number;
  extendedTo: number;
  request: string;
  error: TaskError | undefined;
  result: TaskView["result"];
  deleted: boolean;
  until: number;
  deleteRequest: string;
  progress: Progress | undefined;
  /** All of them, the first ones too. */
  lines: LogLine[];
  /** Parents that a blocked task waits for. */
  waits: string[];
  /** The parent that has failed a blocked task, and since when that is known. */
  blame: { id: string; state: TaskState; at: number } | undefined;
}

export interface Session {
  id: string;
  name: string;
  secret: string;
  queues: readonly string[];
  types: readonly string[];
  labels: readonly string[];
  leaseMs: number;
  deadline: number;
  renewals: number;
  lapsed: boolean;
}

/** What a TaskView of it should say. */
export function viewOf(
  task: Task,
): Omit<TaskView, "content" | "lease"> & { session: string | undefined } {
  const waits = task.state === "scheduled" || task.state === "retrying";
  const last = task.attempts.at(-1);
  const isFinal = FINAL.includes(task.state);
  const ended = task.attempts.slice(-20).filter((attempt) => attempt.outcome !== undefined);
  return {
    id: task.id,
    queue: task.queue,
    retry: task.retry,
    state: task.state,
    attempt: task.attempts.length,
    failures: task.failures,
    attempts: task.attempts.slice(-20),
    session: task.state === "running" ? last?.session : undefined,
    result: task.result,
    error: isFinal ? task.error : ended.findLast((attempt) => attempt.error)?.error,
    dueAt: waits ? task.dueAt : 0,
    expiresAt: isFinal ? 0 : task.expiresAt,
    waitsFor: task.waits.length,
    progress: task.progress,
    logLines: task.lines.length,
    createdAt: task.createdAt,
    updatedAt: task.updatedAt,
    startedAt: task.startedAt,
    finishedAt: task.finishedAt,
  };
}

export function ok(state: TaskState | undefined, duplicate = false): Reply {
  return { code: "ok", id: undefined, state, duplicate };
}

export function refused(code: RefusalCode): Reply {
  return { code, message: "" };
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

export function flat(content: TaskContent): string {
  return JSON.stringify({ ...content, payload: hex(content.payload) });
}

export function newTask(
  given: Pick<Task, "id" | "content" | "retry" | "state" | "order" | "dueAt" | "createdAt">,
): Task {
  return {
    ...given,
    queue: given.content.queue,
    isDeadLetter: false,
    madeIn: 0,
    endedIn: 0,
    expiresAt: 0,
    attempts: [],
    deliveries: 0,
    failures: 0,
    updatedAt: given.createdAt,
    startedAt: 0,
    finishedAt: 0,
    extendedTo: 0,
    request: "none",
    error: undefined,
    result: undefined,
    deleted: false,
    until: 0,
    deleteRequest: "",
    progress: undefined,
    lines: [],
    waits: [],
    blame: undefined,
  };
}

export function newAttempt(task: Task, session: Session, token: number, at: number): Attempt {
  return {
    number: task.attempts.length + 1,
    session: session.id,
    worker: session.name,
    token,
    startedAt: at,
    endedAt: 0,
    outcome: undefined,
    error: undefined,
  };
}
