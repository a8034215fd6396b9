/** The public names of the queue machine; everything else in this folder is its own business. */

export { type AccessKey, hasEnded } from "./access-key.ts";
export { accessKeyId } from "./access-keys.ts";
export { AssertionError, assert, unreachable } from "./assert.ts";
export { Claims } from "./claims.ts";
export { decodeBatch, decodeCommand, encodeBatch, encodeCommand } from "./codec/batch.ts";
export { CodecError } from "./codec/codec-error.ts";
export { decodeContent, encodeContent, NO_EXTRAS } from "./codec/content.ts";
export { type FinishedGlance, glance } from "./codec/finished-glance.ts";
export { decodeErrorGroup } from "./codec/history-records.ts";
export { PLAIN_BACKOFF } from "./codec/policy.ts";
export { decodeReply, encodeReply } from "./codec/reply.ts";
export type {
  Batch,
  Cancel,
  Command,
  CommandType,
  Complete,
  ConfigureQueue,
  Delete,
  Expunge,
  Extend,
  Fail,
  Forget,
  Lapse,
  Lease,
  NewTask,
  Register,
  Release,
  Renew,
  Retry,
  RunReport,
  StartJob,
  Submit,
  SubmitAll,
  TakeOffice,
  Unregister,
  Wake,
} from "./command.ts";
export { newTasksOf } from "./command.ts";
export { versionNeededBy } from "./command-version.ts";
export {
  describeCommand,
  describeDuration,
  describeEvent,
  describeId,
  describeReply,
  describeTask,
  describeTime,
} from "./describe.ts";
export { errorFingerprint } from "./error-groups.ts";
export type {
  FinishedEvent,
  LeasedEvent,
  LeaseLostEvent,
  QueueEvent,
  ReadyEvent,
  SessionEndedEvent,
} from "./event.ts";
export type {
  FeedEvent,
  FeedFilter,
  FeedKind,
  FeedPage,
  FeedPosition,
  FeedReader,
} from "./feed.ts";
export { ENTRY_END, FEED_KINDS } from "./feed.ts";
export type { LeftOver, LeftOverKind } from "./forgettable.ts";
export { decodeLeftOver, leftOverRange } from "./forgettable.ts";
export { decodeFinished, idOfFinishedKey } from "./history.ts";
export type { JobFilter, JobKind, JobState, JobView } from "./job.ts";
export { JOB_KINDS } from "./job.ts";
export { childrenRange, errorGroupRange } from "./keys.ts";
export * from "./limits.ts";
export { QueueMachine } from "./machine.ts";
export { withWish } from "./merge-policy.ts";
export type { LogPage, NumberedLine } from "./notes.ts";
export type { GroupWeight, QueueSettings, Retention } from "./queue-settings.ts";
export { DEFAULT_RETENTION, DEFAULT_SETTINGS } from "./queue-settings.ts";
export type { Flush, RecordReader, RecordWrite } from "./records.ts";
export type { Accepted, Leased, RefusalCode, Refused, Reply, Submitted } from "./reply.ts";
export { leapTokens, StateCheck, type StateSummary, SUMMARY_RANGES } from "./state-check.ts";
export { successor } from "./successor.ts";
export { RUN_CLASSES_MS, Tally, TypeTally } from "./tally.ts";
export type {
  Attempt,
  AttemptOutcome,
  ClusterTime,
  ContentType,
  Priority,
  RetryPolicy,
  TaskContent,
  TaskError,
  TaskId,
  TaskState,
  TaskView,
  Token,
  Unique,
} from "./task.ts";
export {
  ATTEMPT_OUTCOMES,
  BACKOFFS,
  PARENT_FAILURES,
  PRIORITIES,
  TASK_STATES,
  UNIQUE_CONFLICTS,
} from "./task.ts";
export type {
  ColdDelivery,
  Delivery,
  ErrorGroup,
  FinishedSummary,
  GraphNode,
  HistoryFilter,
  KeyRange,
  LeaseView,
  LiveFilter,
  LivePage,
  QueueView,
  SessionView,
  StateCounts,
  Totals,
} from "./view.ts";
