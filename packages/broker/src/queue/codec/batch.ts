/**
 * Commands and batches as bytes: what stands in a log entry, and what a follower forwards. Tags and
 * field order are for ever; a new command takes the next tag.
 */
import { assert } from "../assert.ts";
import type {
  Batch,
  Command,
  CommandType,
  NewTask,
  Report,
  RunReport,
  Submit,
} from "../command.ts";
import { versionNeededBy } from "../command-version.ts";
import { LOG_LEVELS, type LogLevel, type TaskError } from "../task.ts";
import {
  readAdminCommand,
  readCondition,
  writeAdminCommand,
  writeCondition,
} from "./admin-commands.ts";
import { PLAIN_TAGS, TAGS } from "./command-tags.ts";
import {
  decodeContent,
  encodeContent,
  readContentType,
  readFormat,
  writeContentType,
} from "./content.ts";
import { readPolicy, writePolicy } from "./policy.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** All that a program before version 3 knows; stands wherever it is enough. */
const PLAIN_BATCH = 1;
const FULL_BATCH = 2;
type BatchForm = typeof PLAIN_BATCH | typeof FULL_BATCH;
const ID_BYTES = 16;
const NOBODY: readonly number[] = [];
/**
 * Not the shared one: batches live as long as the log, and a submit's content is encoded on the
 * way.
 */
const batchWriter = new Writer();

export function encodeBatch(batch: Batch): Uint8Array {
  const out = batchWriter;
  const form = batch.commands.every(isPlain) ? PLAIN_BATCH : FULL_BATCH;
  out.begin();
  out.byte(form);
  out.uint(batch.at);
  out.uint(batch.commands.length);
  for (const command of batch.commands) writeCommand(out, command, form);
  return out.finish();
}

/** Payloads are views of `bytes`. @throws CodecError */
export function decodeBatch(bytes: Uint8Array): Batch {
  const from = new Reader(bytes);
  const form = readForm(from, bytes);
  const at = from.uint();
  const count = from.count();
  const commands: Command[] = [];
  for (let i = 0; i < count; i++) commands.push(readCommand(from, form));
  from.end();
  return { at, commands };
}

export function encodeCommand(command: Command): Uint8Array {
  const out = batchWriter;
  const form = isPlain(command) ? PLAIN_BATCH : FULL_BATCH;
  out.begin();
  out.byte(form);
  writeCommand(out, command, form);
  return out.finish();
}

/** @throws CodecError */
export function decodeCommand(bytes: Uint8Array): Command {
  const from = new Reader(bytes);
  const command = readCommand(from, readForm(from, bytes));
  from.end();
  return command;
}

function isPlain(command: Command): boolean {
  return versionNeededBy(command) === 1;
}

function readForm(from: Reader, bytes: Uint8Array): BatchForm {
  const form = bytes[0] === FULL_BATCH ? FULL_BATCH : PLAIN_BATCH;
  readFormat(from, form);
  return form;
}

function writeId(out: Writer, id: Uint8Array): void {
  assert(id.length === ID_BYTES, "a task id has 16 bytes");
  out.raw(id);
}

function writeCommand(out: Writer, command: Command, form: BatchForm): void {
  out.byte(TAGS.indexOf(command.type));
  switch (command.type) {
    case "submit":
      writeTask(out, command, form);
      return;
    case "lease":
      out.text(command.session);
      out.uint(command.count);
      return;
    case "extend":
      writeLease(out, command);
      out.uint(command.forMs);
      return;
    case "release":
      writeLease(out, command);
      return;
    case "complete":
      writeLease(out, command);
      out.bytes(command.result);
      writeContentType(out, command.resultType);
      if (form === FULL_BATCH) writeTasks(out, command.children ?? []);
      return;
    case "fail":
      writeLease(out, command);
      writeError(out, command.error);
      out.uint(command.retryAfterMs === undefined ? 0 : command.retryAfterMs + 1);
      out.flag(command.retryable);
      return;
    default:
      writeRareCommand(out, command, form);
      return;
  }
}

function writeTasks(out: Writer, tasks: readonly NewTask[]): void {
  out.uint(tasks.length);
  for (const task of tasks) writeTask(out, task, FULL_BATCH);
}

function writeTask(out: Writer, task: NewTask, form: BatchForm): void {
  writeId(out, task.id);
  out.bytes(task.contentBytes ?? encodeContent(task.content));
  writePolicy(out, task.retry, form);
  out.uint(task.depthLimit);
  if (form === PLAIN_BATCH) return;
  const ended = task.ended ?? [];
  out.uint(ended.length);
  for (const position of ended) out.uint(position);
}

type TaskCommandType = "submit" | "lease" | "extend" | "release" | "complete" | "fail";

function writeRareCommand(
  out: Writer,
  command: Exclude<Command, { readonly type: TaskCommandType }>,
  form: BatchForm,
): void {
  assert(form === FULL_BATCH || isPlain(command), "a plain batch has plain commands only");
  switch (command.type) {
    case "cancel":
      writeId(out, command.id);
      out.text(command.reason);
      return;
    case "retry":
    case "delete":
      writeId(out, command.id);
      out.bytes(command.requestId);
      return;
    case "register":
      out.text(command.session);
      out.bytes(command.secret);
      out.text(command.name);
      out.texts(command.queues);
      out.texts(command.types);
      out.texts(command.labels);
      out.uint(command.concurrency);
      out.text(command.version);
      out.uint(command.leaseMs);
      return;
    case "renew":
      out.texts(command.sessions);
      return;
    case "unregister":
      out.text(command.session);
      return;
    case "lapse":
      out.text(command.session);
      out.uint(command.renewals);
      return;
    case "wake":
      out.uint(command.max);
      return;
    case "takeOffice":
      return;
    case "submitAll":
      writeTasks(out, command.tasks);
      return;
    case "reschedule":
      writeId(out, command.id);
      out.uint(command.runAt);
      writeCondition(out, command.ifUpdatedAt);
      return;
    case "report":
      writeReport(out, command);
      return;
    case "recall":
      writeLease(out, command);
      return;
    default:
      writeAdminCommand(out, command);
  }
}

function writeReport(out: Writer, { session, runs }: Report): void {
  out.text(session);
  out.uint(runs.length);
  for (const run of runs) {
    writeLease(out, run);
    out.text(run.progress);
    out.uint(run.lines.length);
    for (const { level, text } of run.lines) {
      out.byte(LOG_LEVELS.indexOf(level));
      out.text(text);
    }
  }
}

function writeLease(out: Writer, lease: { readonly id: Uint8Array; readonly token: number }): void {
  writeId(out, lease.id);
  out.uint(lease.token);
}

function writeError(out: Writer, error: TaskError): void {
  out.text(error.message);
  out.text(error.stack);
}

function readCommand(from: Reader, form: BatchForm): Command {
  const known = form === PLAIN_BATCH ? PLAIN_TAGS : TAGS.length;
  const type = TAGS[from.choice(known)] as CommandType;
  switch (type) {
    case "submit":
      return readSubmit(from, form);
    case "lease":
      return { type, session: from.text(), count: from.uint() };
    case "extend":
      return { type, id: from.raw(ID_BYTES), token: from.uint(), forMs: from.uint() };
    case "release":
    case "recall":
      return { type, id: from.raw(ID_BYTES), token: from.uint() };
    case "complete": {
      const id = from.raw(ID_BYTES);
      const token = from.uint();
      const done = { type, id, token, result: from.bytes(), resultType: readContentType(from) };
      const children = form === FULL_BATCH ? readTasks(from) : [];
      return children.length === 0 ? done : { ...done, children };
    }
    case "fail":
      return readFail(from);
    case "cancel":
      return { type, id: from.raw(ID_BYTES), reason: from.text() };
    case "retry":
    case "delete":
      return { type, id: from.raw(ID_BYTES), requestId: from.bytes() };
    case "register":
      return readRegister(from);
    case "renew":
      return { type, sessions: from.texts() };
    case "unregister":
      return { type, session: from.text() };
    case "lapse":
      return { type, session: from.text(), renewals: from.uint() };
    case "wake":
      return { type, max: from.uint() };
    case "takeOffice":
      return { type };
    case "submitAll":
      return { type, tasks: readTasks(from) };
    case "reschedule":
      return readReschedule(from);
    case "report":
      return readReport(from);
    default:
      return readAdminCommand(from, type);
  }
}

function readTasks(from: Reader): NewTask[] {
  const tasks: NewTask[] = [];
  for (let left = from.count(); left > 0; left--) tasks.push(readTask(from, FULL_BATCH));
  return tasks;
}

type ReadTask = NewTask & { readonly contentBytes: Uint8Array };

/** Field by field: to spread one object into another takes longer than to read it. */
function readSubmit(from: Reader, form: BatchForm): Submit {
  const { id, content, retry, depthLimit, contentBytes, ended } = readTask(from, form);
  const submit = { type: "submit", id, content, retry, depthLimit, contentBytes } as const;
  return ended === undefined ? submit : { ...submit, ended };
}

function readTask(from: Reader, form: BatchForm): ReadTask {
  const id = from.raw(ID_BYTES);
  const contentBytes = from.bytes();
  const content = decodeContent(contentBytes);
  const retry = readPolicy(from, form);
  const task = { id, content, retry, depthLimit: from.uint(), contentBytes };
  const ended = form === FULL_BATCH ? readEnded(from) : NOBODY;
  return ended.length === 0 ? task : { ...task, ended };
}

function readEnded(from: Reader): readonly number[] {
  let left = from.count();
  if (left === 0) return NOBODY;
  const ended: number[] = [];
  for (; left > 0; left--) ended.push(from.uint());
  return ended;
}

function readReschedule(from: Reader): Command {
  const wanted = { type: "reschedule", id: from.raw(ID_BYTES), runAt: from.uint() } as const;
  const ifUpdatedAt = readCondition(from);
  return ifUpdatedAt === undefined ? wanted : { ...wanted, ifUpdatedAt };
}

function readReport(from: Reader): Report {
  const session = from.text();
  const runs: RunReport[] = [];
  for (let left = from.count(); left > 0; left--) {
    const run = { id: from.raw(ID_BYTES), token: from.uint(), progress: from.text() };
    const lines: RunReport["lines"][number][] = [];
    for (let more = from.count(); more > 0; more--) {
      const level = LOG_LEVELS[from.choice(LOG_LEVELS.length)] as LogLevel;
      lines.push({ level, text: from.text() });
    }
    runs.push({ ...run, lines });
  }
  return { type: "report", session, runs };
}

function readFail(from: Reader): Command {
  const id = from.raw(ID_BYTES);
  const token = from.uint();
  const error = { message: from.text(), stack: from.text() };
  const wait = from.uint();
  const retryable = from.flag();
  const retryAfterMs = wait === 0 ? undefined : wait - 1;
  return { type: "fail", id, token, error, retryAfterMs, retryable };
}

function readRegister(from: Reader): Command {
  return {
    type: "register",
    session: from.text(),
    secret: from.bytes(),
    name: from.text(),
    queues: from.texts(),
    types: from.texts(),
    labels: from.texts(),
    concurrency: from.uint(),
    version: from.text(),
    leaseMs: from.uint(),
  };
}
