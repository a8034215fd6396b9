/**
 * The public names of tq's worker protocol: messages, their codec, the error catalogue, JSON
 * shapes.
 */
export * from "./audit-line.ts";
export { ByteReader } from "./byte-reader.ts";
export { ByteWriter } from "./byte-writer.ts";
export * from "./calls.ts";
export * from "./cluster-json.ts";
export {
  decodeMessage,
  encodeMessage,
  frameType,
  type SentKind,
  type SentMessage,
} from "./codec/codec.ts";
export { versionOf } from "./codec/message-version.ts";
export { PRIORITY_NAMES, TASK_STATE_NAMES } from "./codec/parts.ts";
export { SECRET_BYTES } from "./codec/session.ts";
export { NO_SUBMIT_EXTRAS } from "./codec/submit-task.ts";
export { formatDuration, parseDuration } from "./duration.ts";
export { ERRORS, type ErrorBody, type ErrorCode, type ErrorKind } from "./errors.ts";
export { type Frame, FrameReader } from "./frame-reader.ts";
export * from "./job-json.ts";
export * from "./key-json.ts";
export * from "./limits.ts";
export * from "./message.ts";
export { didYouMean, nearest } from "./nearest.ts";
export { PERMISSIONS, type Permission } from "./permissions.ts";
export { printableJson } from "./printable-json.ts";
export { ProtocolError } from "./protocol-error.ts";
export * from "./queue-json.ts";
export { formatTaskId, isTaskId, parseTaskId, TASK_ID_BYTES } from "./task-id.ts";
export type {
  AttemptJson,
  BackoffName,
  ErrorJson,
  LogLevelName,
  ParentFailureName,
  PriorityName,
  RetryJson,
  SubmitJson,
  TaskJson,
  TaskStateName,
  UniqueConflictName,
} from "./task-json.ts";
export { isErrorCode, TqError, type TqErrorOptions } from "./tq-error.ts";
