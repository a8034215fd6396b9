/** What a worker reports of its leases, many to a frame: complete, fail, release, extend. */
import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { BATCH_MAX } from "../limits.ts";
import type { ExtendItem, FailItem, ItemError, LeaseRef, ReportOk } from "../message.ts";
import { ProtocolError } from "../protocol-error.ts";
import { TASK_ID_BYTES } from "../task-id.ts";
import type { CodecTable } from "./message-codec.ts";
import {
  PAYLOAD_TYPES,
  readChoice,
  readResult,
  writeChoice,
  writeCount,
  writeResult,
} from "./parts.ts";

const LEASE_BYTES = TASK_ID_BYTES + 8;

/** Bits of a failure's `fields`. */
const RETRY_AFTER = 1 << 0;
const NOT_RETRYABLE = 1 << 1;
const KNOWN_FIELDS = (1 << 2) - 1;

export const reportCodecs: CodecTable<"complete" | "fail" | "release" | "extend" | "reported"> = {
  complete: {
    type: 0x30,
    write: (writer, message) =>
      writeItems(writer, message.items, (item) => {
        writeChoice(writer, PAYLOAD_TYPES, item.resultType);
        writer.bytes(item.result);
      }),
    read: (reader) => ({
      kind: "complete",
      items: readItems(reader, LEASE_BYTES + 5, (lease) => ({
        id: lease.id,
        token: lease.token,
        resultType: readChoice(reader, PAYLOAD_TYPES, "payload type"),
        result: reader.bytes(),
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
