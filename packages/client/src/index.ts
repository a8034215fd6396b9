/** The public names of tq's client. */
export type {
  AccessKeyJson,
  ClusterJson,
  CompactJson,
  CreatedKeyJson,
  ErrorGroupJson,
  EventJson,
  GraphJson,
  GraphNodeJson,
  JobJson,
  LogLineJson,
  LogsJson,
  MemberJson,
  Permission,
  PriorityName,
  QueueJson,
  QueueSettingsJson,
  StatsJson,
  TaskJson,
  TaskStateName,
  WorkerJson,
} from "task-queue-protocol";
export { ERRORS, type ErrorCode, TqError } from "task-queue-protocol";
export { Client, connect } from "./client.ts";
export type { ClientOptions, ConnectionEvent, LogsOptions } from "./client-options.ts";
export type { ApiKey, TlsOptions } from "./connection/index.ts";
export { TaskFailed } from "./errors.ts";
export type { EventFilter, FollowOptions } from "./follow.ts";
export { type JobFilter, type JobOptions, Jobs } from "./jobs.ts";
export { type KeyOptions, Keys } from "./keys.ts";
export type {
  ChangeOptions,
  ForceOptions,
  Members,
  RaiseOptions,
  TransferOptions,
} from "./members.ts";
export type { Middleware } from "./middleware.ts";
export { QueueHandle, type QueueSettings, type SetOptions } from "./queue-handle.ts";
export type { SnapshotOptions } from "./snapshot.ts";
export type { Issue, StandardSchema, Verdict } from "./standard-schema.ts";
export type {
  Draft,
  RunOptions,
  SubmitItem,
  SubmitManyOptions,
  SubmitMiddleware,
  SubmitOutcome,
} from "./submissions.ts";
export type { SubmitOptions } from "./submit-task.ts";
export {
  type ProgressOptions,
  TaskHandle,
  TaskReference,
  toResult,
  type WaitOptions,
  type When,
} from "./task-handle.ts";
export { type ListFilter, TaskList, type TaskPage } from "./task-list.ts";
export {
  type AnyTasks,
  defineTasks,
  type PayloadOf,
  type ProgressOf,
  type ReceivedOf,
  type ResultOf,
  type RetryOptions,
  type TaskDefaults,
  type TaskMap,
  type TaskSpec,
  type TypeOf,
  task,
  taskWith,
} from "./task-map.ts";
