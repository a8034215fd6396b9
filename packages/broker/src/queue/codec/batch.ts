/**
 * Commands and batches as bytes: what stands in a log entry, and what a follower forwards. Tags and
 * field order are for ever; a new command takes the next tag.
 */
import { assert, unreachable } from "../assert.ts";
import type { Batch, Command, CommandType } from "../command.ts";
import type { TaskError } from "../task.ts";
import {
  decodeContent,
  encodeContent,
  readContentType,
  readFormat,
  readPolicy,
  writeContentType,
  writePolicy,
} from "./content.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

const BATCH_FORMAT = 1;
const ID_BYTES = 16;
/**
 * Not the shared one: batches live as long as the log, and a submit's content is encoded on the
 * way.
 */
const batchWriter = new Writer();

/** Position = tag. Append only. */
const TAGS: readonly CommandType[] = [
  "submit",
  "lease",
  "extend",
  "release",
  "complete",
  "fail",
  "cancel",
  "retry",
  "delete",
  "register",
  "renew",
  "unregister",
  "lapse",
  "wake",
  "takeOffice",
];

export function encodeBatch(batch: Batch): Uint8Array {
  const out = batchWriter;
  out.begin();
  out.byte(BATCH_FORMAT);
  out.uint(batch.at);
  out.uint(batch.commands.length);
  for (const command of batch.commands) writeCommand(out, command);
  return out.finish();
}

/** Payloads are views of `bytes`. @throws CodecError */
export function decodeBatch(bytes: Uint8Array): Batch {
  const from = new Reader(bytes);
  readFormat(from, BATCH_FORMAT);
  const at = from.uint();
  const count = from.count();
  const commands: Command[] = [];
  for (let i = 0; i < count; i++) commands.push(readCommand(from));
  from.end();
  return { at, commands };
}

export function encodeCommand(command: Command): Uint8Array {
  const out = batchWriter;
  out.begin();
  out.byte(BATCH_FORMAT);
  writeCommand(out, command);
  return out.finish();
}

/** @throws CodecError */
export function decodeCommand(bytes: Uint8Array): Command {
  const from = new Reader(bytes);
  readFormat(from, BATCH_FORMAT);
  const command = readCommand(from);
  from.end();
  return command;
}

function writeId(out: Writer, id: Uint8Array): void {
  assert(id.length === ID_BYTES, "a task id has 16 bytes");
  out.raw(id);
}

function writeCommand(out: Writer, command: Command): void {
  out.byte(TAGS.indexOf(command.type));
  switch (command.type) {
    case "submit":
      writeId(out, command.id);
      out.bytes(command.contentBytes ?? encodeContent(command.content));
      writePolicy(out, command.retry);
      out.uint(command.depthLimit);
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
      return;
    case "fail":
      writeLease(out, command);
      writeError(out, command.error);
      out.uint(command.retryAfterMs === undefined ? 0 : command.retryAfterMs + 1);
      out.flag(command.retryable);
      return;
    default:
      writeRareCommand(out, command);
      return;
  }
}

type TaskCommandType = "submit" | "lease" | "extend" | "release" | "complete" | "fail";

function writeRareCommand(
  out: Writer,
  command: Exclude<Command, { readonly type: TaskCommandType }>,
): void {
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
    default:
      unreachable(command);
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

function readCommand(from: Reader): Command {
  const type = TAGS[from.choice(TAGS.length)] as CommandType;
  switch (type) {
    case "submit":
      return readSubmit(from);
    case "lease":
      return { type, session: from.text(), count: from.uint() };
    case "extend":
      return { type, id: from.raw(ID_BYTES), token: from.uint(), forMs: from.uint() };
    case "release":
      return { type, id: from.raw(ID_BYTES), token: from.uint() };
    case "complete": {
      const id = from.raw(ID_BYTES);
      const token = from.uint();
      return { type, id, token, result: from.bytes(), resultType: readContentType(from) };
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
  }
}

function readSubmit(from: Reader): Command {
  const id = from.raw(ID_BYTES);
  const contentBytes = from.bytes();
  const content = decodeContent(contentBytes);
  const retry = readPolicy(from);
  return { type: "submit", id, content, retry, depthLimit: from.uint(), contentBytes };
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
