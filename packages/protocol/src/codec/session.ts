/** The life of a worker's session: register, heartbeat, window, deliveries, losses, good-bye. */
import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { BATCH_MAX, WINDOW_MAX } from "../limits.ts";
import { type DeliveredTask, LOSS_REASONS, type LostLease, type Register } from "../message.ts";
import { ProtocolError } from "../protocol-error.ts";
import { TASK_ID_BYTES } from "../task-id.ts";
import { type CodecTable, empty } from "./message-codec.ts";
import {
  PAYLOAD_TYPES,
  PRIORITY_NAMES,
  readChoice,
  readNumbers,
  readStrings,
  writeChoice,
  writeCount,
  writeNumbers,
  writeStrings,
} from "./parts.ts";

export const SECRET_BYTES = 16;

/** Bits of a delivery's `fields`: which optional fields follow, in this order. */
const TAGS = 1 << 0;
const METADATA = 1 << 1;
const TRACEPARENT = 1 << 2;
const KNOWN_FIELDS = (1 << 3) - 1;

const TASK_BYTES_MIN = TASK_ID_BYTES + 8 + 4 + 4 + 4 + 1 + 4 + 8 + 8 + 2 + 2 + 1 + 4 + 1;
const LOST_BYTES = TASK_ID_BYTES + 8 + 1;
const NO_TAGS: readonly string[] = [];

type SessionKind =
  | "register"
  | "registered"
  | "notLeader"
  | "bye"
  | "window"
  | "heartbeat"
  | "heartbeatAck"
  | "deliver"
  | "leaseLost"
  | "sessionEnded";

export const sessionCodecs: CodecTable<SessionKind> = {
  register: { type: 0x20, write: writeRegister, read: readRegister },
  registered: {
    type: 0x21,
    write: (writer, message) => {
      writer.u32(message.leaseMs);
      writer.u32(message.heartbeatMs);
      writeNumbers(writer, message.lost, WINDOW_MAX);
    },
    read: (reader) => ({
      kind: "registered",
      leaseMs: reader.u32(),
      heartbeatMs: reader.u32(),
      lost: readNumbers(reader, WINDOW_MAX),
    }),
  },
  notLeader: {
    type: 0x22,
    write: (writer, message) => writer.string(message.address),
    read: (reader) => ({ kind: "notLeader", address: reader.string() }),
  },
  bye: empty(0x23, { kind: "bye" }),
  window: {
    type: 0x24,
    write: (writer, message) => writer.u32(message.window),
    read: (reader) => ({ kind: "window", window: reader.u32() }),
  },
  heartbeat: empty(0x25, { kind: "heartbeat" }),
  heartbeatAck: empty(0x26, { kind: "heartbeatAck" }),
  deliver: {
    type: 0x27,
    write: (writer, message) => {
      writeCount(writer, message.tasks.length, BATCH_MAX);
      for (const task of message.tasks) writeDelivered(writer, task);
    },
    read: (reader) => {
      const count = reader.count(TASK_BYTES_MIN, BATCH_MAX);
      const tasks: DeliveredTask[] = [];
      for (let i = 0; i < count; i++) tasks.push(readDelivered(reader));
      return { kind: "deliver", tasks };
    },
  },
  leaseLost: {
    type: 0x28,
    write: (writer, message) => {
      writeCount(writer, message.leases.length, WINDOW_MAX);
      for (const lease of message.leases) writeLost(writer, lease);
    },
    read: (reader) => {
      const count = reader.count(LOST_BYTES, WINDOW_MAX);
      const leases: LostLease[] = [];
      for (let i = 0; i < count; i++) leases.push(readLost(reader));
      return { kind: "leaseLost", leases };
    },
  },
  sessionEnded: empty(0x29, { kind: "sessionEnded" }),
};

function writeRegister(writer: ByteWriter, message: Register): void {
  if (message.secret.length !== SECRET_BYTES) throw new ProtocolError("a secret has 16 bytes");
  writer.string(message.session);
  writer.raw(message.secret);
  writer.string(message.name);
  writeStrings(writer, message.queues);
  writeStrings(writer, message.types);
  writeStrings(writer, message.labels);
  writer.u32(message.concurrency);
  writer.u32(message.window);
  writeNumbers(writer, message.held, WINDOW_MAX);
}

function readRegister(reader: ByteReader): Register {
  return {
    kind: "register",
    session: reader.string(),
    // A copy: the secret is kept as long as the session, the frame it came in should not be.
    secret: reader.raw(SECRET_BYTES).slice(),
    name: reader.string(),
    queues: readStrings(reader),
    types: readStrings(reader),
    labels: readStrings(reader),
    concurrency: reader.u32(),
    window: reader.u32(),
    held: readNumbers(reader, WINDOW_MAX),
  };
}

function writeDelivered(writer: ByteWriter, task: DeliveredTask): void {
  writer.raw(task.id);
  writer.u64(task.token);
  writer.u32(task.attempt);
  writer.u32(task.failures);
  writer.u32(task.maxRetries);
  writeChoice(writer, PRIORITY_NAMES, task.priority);
  writer.u32(task.leaseMs);
  writer.u64(task.timeoutMs);
  writer.u64(task.createdAt);
  writer.string(task.type);
  writer.string(task.queue);
  writeChoice(writer, PAYLOAD_TYPES, task.payloadType);
  writer.bytes(task.payload);
  writer.u8(
    (task.tags.length > 0 ? TAGS : 0) |
      (task.metadata !== "" ? METADATA : 0) |
      (task.traceparent !== "" ? TRACEPARENT : 0),
  );
  if (task.tags.length > 0) writeStrings(writer, task.tags);
  if (task.metadata !== "") writer.string(task.metadata);
  if (task.traceparent !== "") writer.string(task.traceparent);
}

function readDelivered(reader: ByteReader): DeliveredTask {
  const id = reader.raw(TASK_ID_BYTES);
  const token = reader.u64();
  const attempt = reader.u32();
  const failures = reader.u32();
  const maxRetries = reader.u32();
  const priority = readChoice(reader, PRIORITY_NAMES, "priority");
  const leaseMs = reader.u32();
  const timeoutMs = reader.u64();
  const createdAt = reader.u64();
  const type = reader.name();
  const queue = reader.name();
  const payloadType = readChoice(reader, PAYLOAD_TYPES, "payload type");
  const payload = reader.bytes();
  const fields = reader.u8();
  if (fields > KNOWN_FIELDS) throw new ProtocolError("a delivery has fields of a later version");
  return {
    id,
    token,
    attempt,
    failures,
    maxRetries,
    priority,
    leaseMs,
    timeoutMs,
    createdAt,
    type,
    queue,
    payload,
    payloadType,
    tags: fields & TAGS ? readStrings(reader) : NO_TAGS,
    metadata: fields & METADATA ? reader.string() : "",
    traceparent: fields & TRACEPARENT ? reader.string() : "",
  };
}

function writeLost(writer: ByteWriter, lease: LostLease): void {
  writer.raw(lease.id);
  writer.u64(lease.token);
  writeChoice(writer, LOSS_REASONS, lease.reason);
}

function readLost(reader: ByteReader): LostLease {
  return {
    id: reader.raw(TASK_ID_BYTES),
    token: reader.u64(),
    reason: readChoice(reader, LOSS_REASONS, "reason"),
  };
}
