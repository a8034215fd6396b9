/** What clients say: submits (binary, many to a frame) and calls (a verb and JSON). */
import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { BATCH_MAX } from "../limits.ts";
import type { ItemError, SubmitOk, Submitted } from "../message.ts";
import { ProtocolError } from "../protocol-error.ts";
import { TASK_ID_BYTES } from "../task-id.ts";
import type { CodecTable } from "./message-codec.ts";
import { readResult, TASK_STATE_NAMES, writeCount, writeResult } from "./parts.ts";
import { readTasks, writeTasks } from "./submit-task.ts";

/** No smaller result than "accepted": outcome, state, id. */
const RESULT_BYTES_MIN = 7;

export const clientCodecs: CodecTable<"submit" | "submitted" | "call" | "answer"> = {
  submit: {
    type: 0x10,
    write: (writer, message) => {
      writeTasks(writer, message.tasks);
    },
    read: (reader) => ({ kind: "submit", tasks: readTasks(reader) }),
  },
  submitted: { type: 0x11, write: writeSubmitted, read: readSubmitted },
  call: {
    type: 0x12,
    write: (writer, message) => {
      writer.string(message.verb);
      writer.u64(message.minIndex);
      writer.bytes(message.body);
    },
    read: (reader) => ({
      kind: "call",
      verb: reader.name(),
      minIndex: reader.u64(),
      body: reader.bytes(),
    }),
  },
  answer: {
    type: 0x13,
    write: (writer, message) => {
      writer.u64(message.index);
      writer.bytes(message.body);
    },
    read: (reader) => ({ kind: "answer", index: reader.u64(), body: reader.bytes() }),
  },
};

function writeSubmitted(writer: ByteWriter, message: Submitted): void {
  writer.u64(message.index);
  writeCount(writer, message.results.length, BATCH_MAX);
  for (const result of message.results) writeResult(writer, result, writeSubmitOk);
}

function writeSubmitOk(writer: ByteWriter, ok: SubmitOk): void {
  if (ok.id.length !== TASK_ID_BYTES) throw new ProtocolError("a task id has 16 bytes");
  writer.u8(ok.state);
  writer.raw(ok.id);
}

function readSubmitted(reader: ByteReader): Submitted {
  const index = reader.u64();
  const count = reader.count(RESULT_BYTES_MIN, BATCH_MAX);
  const results: (SubmitOk | ItemError)[] = [];
  for (let i = 0; i < count; i++) results.push(readResult(reader, readSubmitOk));
  return { kind: "submitted", index, results };
}

function readSubmitOk(reader: ByteReader, duplicate: boolean): SubmitOk {
  const state = reader.u8();
  if (state >= TASK_STATE_NAMES.length) throw new ProtocolError(`${state} is not a task state`);
  return { ok: true, id: reader.raw(TASK_ID_BYTES), state, duplicate };
}
