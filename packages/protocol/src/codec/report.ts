/** What a worker reports of its leases, many to a frame: how they end, and how they go on. */
import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { BATCH_MAX, REPORT_LINES_MAX } from "../limits.ts";
import type {
  CompleteItem,
  ExtendItem,
  FailItem,
  ItemError,
  LeaseRef,
  NotedLine,
  ReportItem,
  ReportOk,
} from "../message.ts";
import { ProtocolError } from "../protocol-error.ts";
import { TASK_ID_BYTES } from "../task-id.ts";
import type { CodecTable } from "./message-codec.ts";
import {
  LOG_LEVELS,
  PAYLOAD_TYPES,
  readChoice,
  readResult,
  writeChoice,
  writeCount,
  writeResult,
} from "./parts.ts";
import { readTasks, writeTasks } from "./submit-task.ts";

const LEASE_BYTES = TASK_ID_BYTES + 8;

/** Added to the number of a result's type where children follow. */
const WITH_CHILDREN = PAYLOAD_TYPES.length;

/** Bits of a failure's `fields`. */
const RETRY_AFTER = 1 << 0;
const NOT_RETRYABLE = 1 << 1;
const KNOWN_FIELDS = (1 << 2) - 1;

export const reportCodecs: CodecTable<
  "complete" | "fail" | "release" | "extend" | "report" | "reported"
> = {
  complete: {
    type: 0x30,
    write: (writer, message) =>
      writeItems(writer, message.items, (item) => {
        const { children } = item;
        const type = PAYLOAD_TYPES.indexOf(item.resultType);
        writer.u8(children === undefined ? type : type + WITH_CHILDREN);
        writer.bytes(item.result);
        if (children !== undefined) writeTasks(writer, children);
      }),
    read: (reader) => ({
      kind: "complete",
      items: readItems(reader, LEASE_BYTES + 5, (lease) => ({
        id: lease.id,
        token: lease.token,
        ...readOutcome(reader),
      })),
    }),
  },
  fail: {
    type: 0x31,
    write: (writer, message) =>
      writeItems(writer, message.items, (item) => writeFailure(writer, item)),
    read: (reader) => ({
      kind: "fail",
      items: readItems(reader, LEASE_BYTES + 5, (lease) => readFailure(reader, lease)),
    }),
  },
  release: {
    type: 0x32,
    write: (writer, message) => writeItems(writer, message.items, () => {}),
    read: (reader) => ({
      kind: "release",
      items: readItems(reader, LEASE_BYTES, (lease) => lease),
    }),
  },
  extend: {
    type: 0x33,
    write: (writer, message) => writeItems(writer, message.items, (item) => writer.u64(item.forMs)),
    read: (reader) => ({
      kind: "extend",
      items: readItems<ExtendItem>(reader, LEASE_BYTES + 8, (lease) => ({
        ...lease,
        forMs: reader.u64(),
      })),
    }),
  },
  report: {
    type: 0x35,
    write: (writer, message) =>
      writeItems(writer, message.items, (item) => writeNotes(writer, item)),
    read: (reader) => ({
      kind: "report",
      items: readItems(reader, LEASE_BYTES + 3, (lease) => readNotes(reader, lease)),
    }),
  },
  reported: {
    type: 0x34,
    write: (writer, message) => {
      writeCount(writer, message.results.length, BATCH_MAX);
      for (const result of message.results) writeResult(writer, result, writeNothing);
    },
    read: (reader) => {
      const count = reader.count(1, BATCH_MAX);
      const results: (ReportOk | ItemError)[] = [];
      for (let i = 0; i < count; i++) results.push(readResult(reader, readReportOk));
      return { kind: "reported", results };
    },
  },
};

function readOutcome(reader: ByteReader): Pick<CompleteItem, "result" | "resultType" | "children"> {
  const choice = reader.u8();
  const hasChildren = choice >= WITH_CHILDREN;
  const resultType = PAYLOAD_TYPES[hasChildren ? choice - WITH_CHILDREN : choice];
  if (resultType === undefined) throw new ProtocolError(`${choice} is not a payload type`);
  const result = reader.bytes();
  return { result, resultType, children: hasChildren ? readTasks(reader) : undefined };
}

const FIRST: ReportOk = { ok: true, duplicate: false };
const AGAIN: ReportOk = { ok: true, duplicate: true };

function writeNothing(): void {}

function readReportOk(_reader: ByteReader, duplicate: boolean): ReportOk {
  return duplicate ? AGAIN : FIRST;
}

function writeItems<T extends LeaseRef>(
  writer: ByteWriter,
  items: readonly T[],
  writeRest: (item: T) => void,
): void {
  writeCount(writer, items.length, BATCH_MAX);
  for (const item of items) {
    if (item.id.length !== TASK_ID_BYTES) throw new ProtocolError("a task id has 16 bytes");
    writer.raw(item.id);
    writer.u64(item.token);
    writeRest(item);
  }
}

function readItems<T extends LeaseRef>(
  reader: ByteReader,
  itemBytes: number,
  readRest: (lease: LeaseRef) => T,
): T[] {
  const count = reader.count(itemBytes, BATCH_MAX);
  const items: T[] = [];
  for (let i = 0; i < count; i++) {
    items.push(readRest({ id: reader.raw(TASK_ID_BYTES), token: reader.u64() }));
  }
  return items;
}

function writeNotes(writer: ByteWriter, { progress, lines }: ReportItem): void {
  writer.string(progress);
  writeCount(writer, lines.length, REPORT_LINES_MAX);
  for (const { level, text } of lines) {
    writeChoice(writer, LOG_LEVELS, level);
    writer.string(text);
  }
}

function readNotes(reader: ByteReader, lease: LeaseRef): ReportItem {
  const progress = reader.string();
  const count = reader.count(3, REPORT_LINES_MAX);
  const lines: NotedLine[] = [];
  for (let i = 0; i < count; i++) {
    lines.push({ level: readChoice(reader, LOG_LEVELS, "log level"), text: reader.string() });
  }
  return { id: lease.id, token: lease.token, progress, lines };
}

function writeFailure(writer: ByteWriter, item: FailItem): void {
  writer.string(item.message);
  writer.string(item.stack);
  writer.u8(
    (item.retryAfterMs !== undefined ? RETRY_AFTER : 0) | (item.retryable ? 0 : NOT_RETRYABLE),
  );
  if (item.retryAfterMs !== undefined) writer.u64(item.retryAfterMs);
}

function readFailure(reader: ByteReader, lease: LeaseRef): FailItem {
  const message = reader.string();
  const stack = reader.string();
  const fields = reader.u8();
  if (fields > KNOWN_FIELDS) throw new ProtocolError("a failure has fields of a later version");
  return {
    id: lease.id,
    token: lease.token,
    message,
    stack,
    retryAfterMs: fields & RETRY_AFTER ? reader.u64() : undefined,
    retryable: (fields & NOT_RETRYABLE) === 0,
  };
}
