/**
 * What brokers say on their streams, as bytes and back. `proto/raft.proto` describes the layout;
 * this file is its only implementation.
 *
 * Sender and receiver do not travel: the stream's handshake has named them, so that nobody can
 * speak in another's name. Bytes that come out are copies: a view would keep the whole network
 * buffer alive for as long as the log keeps the entry.
 */
import { ok as assert } from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import type { Entry, EntryId, EntryKind, Message, MessageType, NodeId } from "task-queue-raft";
import type { Beacon, Envelope, Forward, ForwardReply } from "../ports.ts";
import { ByteReader, ByteWriter, CodecError } from "./bytes.ts";
import { NODE_ID_BYTES_MAX, SNAPSHOT_SOURCES_MAX } from "./limits.ts";
import { MESSAGE_TYPES } from "./message-types.ts";

/** One thing that a stream carried. */
export type Parcel =
  | { readonly type: "envelope"; readonly envelope: Envelope }
  | { readonly type: "forwards"; readonly forwards: readonly Forward[] }
  | { readonly type: "forwardReplies"; readonly replies: readonly ForwardReply[] };

/** Tags between those of the messages: what these carry is none of Raft's. */
const FORWARDS = 11;
const FORWARD_REPLIES = 12;
const WITH_BEACON = 0x80;
const ENTRY_KINDS: readonly EntryKind[] = ["normal", "empty", "membership"];
const EFFECT_HASH = /^[0-9a-f]{16}$/;
const PRIORITY_MAX = 2 ** 31 - 1;
/** Flags of a beacon, from version 2 of the bus on. */
const DISK_LOW = 1;
const INTAKE_CLOSED = 2;

const SMALL_BYTES = 128;
/** Around the data of each entry or command, at most: numbers, length, seal. */
const PER_ITEM_BYTES = 32;

/** One envelope as bytes of this version of the bus, on which both ends of the stream agree. */
export function encodeEnvelope(envelope: Envelope, version = 1): Buffer {
  const { message, beacon } = envelope;
  const size = message.type === "append" ? entriesBytes(message.entries) : 0;
  const writer = new ByteWriter(SMALL_BYTES + size);
  const tag = MESSAGE_TYPES.indexOf(message.type);
  writer.u8(beacon === undefined ? tag : tag | WITH_BEACON);
  writer.varint(message.term);
  if (beacon !== undefined) writeBeacon(writer, beacon, version);
  writeFields(writer, message);
  writer.seal();
  if (message.type === "append") writeEntries(writer, message.prev, message.entries);
  return writer.finish();
}

/** Forwarded commands, all in one message. */
export function encodeForwards(forwards: readonly Forward[]): Buffer {
  let size = SMALL_BYTES;
  for (const forward of forwards) size += forward.command.length + PER_ITEM_BYTES;
  const writer = new ByteWriter(size);
  writer.u8(FORWARDS);
  writer.varint(forwards.length);
  for (const { requestId, command } of forwards) {
    writer.varint(requestId);
    writer.bytes(command);
  }
  writer.seal();
  return writer.finish();
}

/** Answers to forwarded commands, all in one message. */
export function encodeForwardReplies(replies: readonly ForwardReply[]): Buffer {
  let size = SMALL_BYTES;
  for (const { outcome } of replies) size += (outcome?.reply.length ?? 0) + PER_ITEM_BYTES;
  const writer = new ByteWriter(size);
  writer.u8(FORWARD_REPLIES);
  writer.varint(replies.length);
  for (const { requestId, outcome } of replies) {
    writer.varint(requestId);
    writer.u8(outcome === undefined ? 0 : 1);
    if (outcome === undefined) continue;
    writer.varint(outcome.index);
    writer.bytes(outcome.reply);
  }
  writer.seal();
  return writer.finish();
}

/**
 * Everything in one frame's body, in the order it was sent. All or nothing: throws `CodecError`
 * when any of it is not as the protocol says.
 */
export function decodeBody(
  body: Uint8Array,
  from: NodeId,
  to: NodeId,
  version = 1,
): readonly Parcel[] {
  const reader = new ByteReader(body);
  const parcels: Parcel[] = [];
  while (!reader.done) parcels.push(readParcel(reader, from, to, version));
  return parcels;
}

function readParcel(reader: ByteReader, from: NodeId, to: NodeId, version: number): Parcel {
  const tag = reader.u8();
  if (tag === FORWARDS) return { type: "forwards", forwards: readForwards(reader) };
  if (tag === FORWARD_REPLIES) return { type: "forwardReplies", replies: readReplies(reader) };
  const type = MESSAGE_TYPES[tag & ~WITH_BEACON];
  if (type === undefined) throw new CodecError(`no message has type ${tag & ~WITH_BEACON}`);
  const term = reader.varint();
  const beacon = (tag & WITH_BEACON) === 0 ? undefined : readBeacon(reader, version);
  const message = readMessage(reader, type, { from, to, term });
  return { type: "envelope", envelope: { message, beacon } };
}

function entriesBytes(entries: readonly Entry[]): number {
  let size = 0;
  for (const entry of entries) size += entry.data.length + PER_ITEM_BYTES;
  return size;
}

function writeBeacon(writer: ByteWriter, beacon: Beacon, version: number): void {
  assert(EFFECT_HASH.test(beacon.effectHash), `no effect hash: ${beacon.effectHash}`);
  assert(beacon.priority <= PRIORITY_MAX, `a priority of ${beacon.priority}`);
  writer.varint(beacon.wallMs);
  writer.varint(beacon.applied);
  writer.varint(beacon.priority);
  writer.raw(Buffer.from(beacon.effectHash, "hex"));
  // A reader of version 1 knows of no room on disks, and takes its sender to have enough.
  if (version === 1) return;
  writer.u8((beacon.diskLow ? DISK_LOW : 0) | (beacon.intakeClosed ? INTAKE_CLOSED : 0));
}

function readBeacon(reader: ByteReader, version: number): Beacon {
  const wallMs = reader.varint();
  const applied = reader.varint();
  const priority = reader.varint();
  if (priority > PRIORITY_MAX) throw new CodecError(`a priority of ${priority}`);
  const effectHash = Buffer.from(reader.raw(8)).toString("hex");
  const flags = version === 1 ? 0 : reader.u8();
  if (flags > (DISK_LOW | INTAKE_CLOSED)) throw new CodecError(`flags of a beacon: ${flags}`);
  const diskLow = (flags & DISK_LOW) !== 0;
  return { wallMs, applied, priority, effectHash, diskLow, intakeClosed: flags >= INTAKE_CLOSED };
}

function writeId(writer: ByteWriter, id: EntryId): void {
  writer.varint(id.term);
  writer.varint(id.index);
}

function readId(reader: ByteReader): EntryId {
  const term = reader.varint();
  return { term, index: reader.varint() };
}

/** The compiler proves that every type of message was handled; what slips through is a bug. */
function unreachable(value: never): never {
  throw new TypeError(`unreachable: ${JSON.stringify(value)}`);
}

function writeFields(writer: ByteWriter, message: Message): void {
  switch (message.type) {
    case "preVote":
      writeId(writer, message.last);
      break;
    case "vote":
      writeId(writer, message.last);
      writer.u8(message.transfer ? 1 : 0);
      break;
    case "preVoteReply":
    case "voteReply":
      writer.u8(message.granted ? 1 : 0);
      break;
    case "append":
      writeId(writer, message.prev);
      writer.varint(message.commit);
      writer.varint(message.entries.length);
      break;
    case "appendReply":
      writeAppendReply(writer, message);
      break;
    case "heartbeat":
      writer.varint(message.commit);
      writer.varint(message.round);
      break;
    case "heartbeatReply":
      writer.varint(message.round);
      break;
    case "readIndex":
      writer.varint(message.id);
      break;
    case "lostEntries":
      writer.varint(message.index);
      break;
    case "readIndexReply":
      writer.varint(message.id);
      writer.varint(message.index);
      break;
    case "installSnapshot":
      writer.varint(message.index);
      writeSources(writer, message.sources);
      break;
    case "timeoutNow":
      break;
    default:
      unreachable(message);
  }
}

function writeAppendReply(
  writer: ByteWriter,
  reply: Extract<Message, { type: "appendReply" }>,
): void {
  writer.varint(reply.match);
  writer.varint(reply.durable);
  writer.u8(reply.rejected === undefined ? 0 : 1);
  if (reply.rejected === undefined) return;
  writer.varint(reply.rejected.prev);
  writeId(writer, reply.rejected.hint);
}

function writeSources(writer: ByteWriter, sources: readonly NodeId[]): void {
  const { length } = sources;
  assert(length > 0 && length <= SNAPSHOT_SOURCES_MAX, `${length} sources of a snapshot`);
  writer.varint(length);
  for (const source of sources) writer.bytes(Buffer.from(source));
}

function readSources(reader: ByteReader): readonly NodeId[] {
  const count = reader.varint();
  if (count < 1 || count > SNAPSHOT_SOURCES_MAX) {
    throw new CodecError(`${count} sources of a snapshot`);
  }
  const sources: NodeId[] = [];
  for (let i = 0; i < count; i++) sources.push(textOf(reader.bytes()));
  return sources;
}

/** A node id; longer ones, and bytes that are no text, do not exist. */
function textOf(bytes: Uint8Array): NodeId {
  if (bytes.length > 0 && bytes.length <= NODE_ID_BYTES_MAX && isUtf8(bytes)) {
    return Buffer.from(bytes).toString();
  }
  throw new CodecError(`no node id: ${bytes.length} bytes`);
}

interface Addressed {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: number;
}

function readMessage(reader: ByteReader, type: MessageType, head: Addressed): Message {
  if (type === "append") return readAppend(reader, head);
  const message = readFields(reader, type, head);
  reader.seal(type);
  return message;
}

function readFields(
  reader: ByteReader,
  type: Exclude<MessageType, "append">,
  head: Addressed,
): Message {
  switch (type) {
    case "preVote":
      return { type, ...head, last: readId(reader) };
    case "vote": {
      const last = readId(reader);
      return { type, ...head, last, transfer: reader.flag() };
    }
    case "preVoteReply":
    case "voteReply":
      return { type, ...head, granted: reader.flag() };
    case "appendReply":
      return readAppendReply(reader, head);
    case "heartbeat": {
      const commit = reader.varint();
      return { type, ...head, commit, round: reader.varint() };
    }
    case "heartbeatReply":
      return { type, ...head, round: reader.varint() };
    case "readIndex":
      return { type, ...head, id: reader.varint() };
    case "readIndexReply": {
      const id = reader.varint();
      return { type, ...head, id, index: reader.varint() };
    }
    case "installSnapshot": {
      const index = reader.varint();
      return { type, ...head, index, sources: readSources(reader) };
    }
    case "timeoutNow":
      return { type, ...head };
    case "lostEntries":
      return { type, ...head, index: reader.varint() };
    default:
      return unreachable(type);
  }
}

function readAppendReply(reader: ByteReader, head: Addressed): Message {
  const match = reader.varint();
  const durable = reader.varint();
  const reply = { type: "appendReply", ...head, match, durable } as const;
  if (!reader.flag()) return reply;
  const prev = reader.varint();
  return { ...reply, rejected: { prev, hint: readId(reader) } };
}

function readAppend(reader: ByteReader, head: Addressed): Message {
  const prev = readId(reader);
  const commit = reader.varint();
  const count = reader.varint();
  reader.seal("append");
  if (!Number.isSafeInteger(prev.index + count)) throw new CodecError("an index beyond 2^53");
  const entries: Entry[] = [];
  for (let index = prev.index + 1; index <= prev.index + count; index++) {
    entries.push(readEntry(reader, index));
  }
  return { type: "append", ...head, prev, entries, commit };
}

/** The index is not written: entries of a message follow each other without a gap. */
function writeEntries(writer: ByteWriter, prev: EntryId, entries: readonly Entry[]): void {
  let index = prev.index;
  for (const entry of entries) {
    index++;
    assert(entry.index === index, `entry ${entry.index} where ${index} belongs`);
    writer.u8(ENTRY_KINDS.indexOf(entry.kind));
    writer.varint(entry.term);
    writer.bytes(entry.data);
    writer.seal();
  }
}

function readEntry(reader: ByteReader, index: number): Entry {
  const kind = ENTRY_KINDS[reader.u8()];
  const term = reader.varint();
  const data = reader.bytes();
  reader.seal(`entry ${index}`);
  if (kind === undefined) throw new CodecError(`entry ${index} is of no known kind`);
  return { term, index, kind, data: copyOf(data) };
}

function readForwards(reader: ByteReader): readonly Forward[] {
  const count = reader.varint();
  const forwards: Forward[] = [];
  for (let i = 0; i < count; i++) {
    const requestId = reader.varint();
    forwards.push({ requestId, command: copyOf(reader.bytes()) });
  }
  reader.seal("forwarded commands");
  return forwards;
}

function readReplies(reader: ByteReader): readonly ForwardReply[] {
  const count = reader.varint();
  const replies: ForwardReply[] = [];
  for (let i = 0; i < count; i++) {
    const requestId = reader.varint();
    if (!reader.flag()) {
      replies.push({ requestId, outcome: undefined });
      continue;
    }
    const index = reader.varint();
    replies.push({ requestId, outcome: { index, reply: copyOf(reader.bytes()) } });
  }
  reader.seal("replies to forwarded commands");
  return replies;
}

function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}
