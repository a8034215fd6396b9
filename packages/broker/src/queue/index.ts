/** The public names of the queue machine; everything else in this folder is its own business. */
export { AssertionError, assert, unreachable } from "./assert.ts";
export { decodeBatch, decodeCommand, encodeBatch, encodeCommand } from "./codec/batch.ts";
export { CodecError } from "./codec/codec-error.ts";
export { decodeContent, encodeContent } from "./codec/content.ts";
export { decodeReply, encodeReply } from "./codec/reply.ts";
export type {
  Batch,
  Cancel,
  Command,
  CommandType,
  Complete,
  Delete,
  Extend,
  Fail,
  Lapse,
  Lease,
  Register,
  Release,
  Renew,
  Retry,
  Submit,
  TakeOffice,
  Unregister,
  Wake,
} from "./command.ts";
export {
  describeCommand,
  describeDuration,
  describeEvent,
  describeId,
  describeReply,
  describeTask,
  describeTime,
} from "./describe.ts";
export type {
  FinishedEvent,
  LeasedEvent,
  LeaseLostEvent,
  QueueEvent,
  ReadyEvent,
  SessionEndedEvent,
} from "./event.ts";
export { decodeFinished, idOfFinishedKey } from "./history.ts";
export * from "./limits.ts";
export { QueueMachine } from "./machine.ts";
export type { Flush, RecordReader, RecordWrite } from "./records.ts";
export type { Accepted, Leased, RefusalCode, Refused, Reply } from "./reply.ts";
export { successor } from "./successor.ts";
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
} from "./task.ts";
export { ATTEMPT_OUTCOMES, PRIORITIES, TASK_STATES } from "./task.ts";
export type {
  ColdDelivery,
  Delivery,
  FinishedSummary,
  KeyRange,
  LeaseView,
  LiveFilter,
  LivePage,
  QueueView,
  SessionView,
  StateCounts,
} from "./view.ts";
