/**
 * The records that are neither task, content nor queue: meta, session, idempotency key, tombstone.
 */
import type { SessionRecord } from "../sessions.ts";
import type { ClusterTime, TaskId } from "../task.ts";
import { CodecError } from "./codec-error.ts";
import { readFormat } from "./content.ts";
import { Reader } from "./reader.ts";
import { readStanding, writeStanding } from "./standing.ts";
import { sharedWriter } from "./writer.ts";

const FORMAT = 1;
const ID_BYTES = 16;

/** Value of an index record: the key says it all. */
export const INDEX_VALUE = Uint8Array.of(FORMAT);

/**
 * Of a meta record: the plain one is that of a cluster of version 1, byte for byte what the first
 * binary writes; the other one names the version.
 */
const PLAIN_META = 1;
const VERSIONED_META = 2;

/** What the machine knows beside tasks, queues and sessions. */
export interface Meta {
  /** What the cluster works with. */
  readonly version: number;
  readonly applied: number;
  readonly clock: ClusterTime;
  /** The next place in line, and the next token. */
  readonly nextOrder: number;
  readonly nextToken: number;
  readonly hashHigh: number;
  readonly hashLow: number;
  /** Tombstones in the store; 0 saves each submit a look-up. */
  readonly tombstones: number;
  /** Turn of the queue that was served last. Since version 3; see `turns.ts`. */
  readonly queueTurn: number;
  /** No task that ended before version 3 has an id with a later time in it. 0 = none ended. */
  readonly plainHistoryTo: ClusterTime;
  /** Beyond every revision that a deleted queue ever had; 0 = none was. Since version 3. */
  readonly freshRevision: number;
}

export function encodeMeta(meta: Meta): Uint8Array {
  const out = sharedWriter;
  out.begin();
  if (meta.version === 1) {
    out.byte(PLAIN_META);
  } else {
    out.byte(VERSIONED_META);
    out.uint(meta.version);
  }
  out.uint(meta.applied);
  out.uint(meta.clock);
  out.uint(meta.nextOrder);
  out.uint(meta.nextToken);
  out.word(meta.hashHigh);
  out.word(meta.hashLow);
  out.uint(meta.tombstones);
  if (meta.version >= 3) {
    out.uint(meta.queueTurn);
    out.uint(meta.plainHistoryTo);
    out.uint(meta.freshRevision);
  }
  return out.finish();
}

export function decodeMeta(bytes: Uint8Array): Meta {
  const from = new Reader(bytes);
  const format = bytes[0] === VERSIONED_META ? VERSIONED_META : PLAIN_META;
  readFormat(from, format);
  const version = format === PLAIN_META ? 1 : from.uint();
  if (format !== PLAIN_META && version < 2) throw new CodecError(`a state of version ${version}`);
  const meta = {
    version,
    applied: from.uint(),
    clock: from.uint(),
    nextOrder: from.uint(),
    nextToken: from.uint(),
    hashHigh: from.word(),
    hashLow: from.word(),
    tombstones: from.uint(),
    queueTurn: version >= 3 ? from.uint() : 0,
    plainHistoryTo: version >= 3 ? from.uint() : 0,
    freshRevision: version >= 3 ? from.uint() : 0,
  };
  from.end();
  return meta;
}

export function encodeSession(session: SessionRecord): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(FORMAT);
  out.text(session.id);
  out.bytes(session.secret);
  out.text(session.name);
  out.texts(session.queues);
  out.texts(session.types);
  out.texts(session.labels);
  out.uint(session.concurrency);
  out.text(session.version);
  out.uint(session.leaseMs);
  out.uint(session.deadline);
  out.uint(session.renewals);
  out.uint(session.registeredAt);
  out.uint(session.renewedAt);
  out.flag(session.lapsed);
  return out.finish();
}

export function decodeSession(bytes: Uint8Array): SessionRecord {
  const from = new Reader(bytes);
  readFormat(from, FORMAT);
  const session = {
    id: from.text(),
    secret: from.bytes().slice(),
    name: from.text(),
    queues: from.texts(),
    types: from.texts(),
    labels: from.texts(),
    concurrency: from.uint(),
    version: from.text(),
    leaseMs: from.uint(),
    deadline: from.uint(),
    renewals: from.uint(),
    registeredAt: from.uint(),
    renewedAt: from.uint(),
    lapsed: from.flag(),
  };
  from.end();
  return session;
}

/** Where a group stands among those of its queue; see `turns.ts`. */
export interface GroupRecord {
  readonly queue: string;
  /** Empty: the tasks without a group. */
  readonly group: string;
  readonly turn: number;
  readonly newcomer: boolean;
}

export function encodeGroup({ queue, group, ...standing }: GroupRecord): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(FORMAT);
  out.text(queue);
  out.text(group);
  writeStanding(out, standing);
  return out.finish();
}

export function decodeGroup(bytes: Uint8Array): GroupRecord {
  const from = new Reader(bytes);
  readFormat(from, FORMAT);
  const record = { queue: from.text(), group: from.text(), ...readStanding(from) };
  from.end();
  return record;
}

/** Which task an idempotency key stands for, and since when. */
export interface KeyRecord {
  readonly id: TaskId;
  readonly at: ClusterTime;
}

export function encodeKeyRecord(record: KeyRecord): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(FORMAT);
  out.raw(record.id);
  out.uint(record.at);
  return out.finish();
}

export function decodeKeyRecord(bytes: Uint8Array): KeyRecord {
  const from = new Reader(bytes);
  readFormat(from, FORMAT);
  const record = { id: from.raw(ID_BYTES), at: from.uint() };
  from.end();
  return record;
}

/** Which task has a unique key, and until when at least; 0 = as long as it is live. */
export interface UniqueRecord {
  readonly id: TaskId;
  readonly until: ClusterTime;
}

export function encodeUniqueRecord({ id, until }: UniqueRecord): Uint8Array {
  return encodeKeyRecord({ id, at: until });
}

export function decodeUniqueRecord(bytes: Uint8Array): UniqueRecord {
  const { id, at } = decodeKeyRecord(bytes);
  return { id, until: at };
}

/** What is left of a deleted task while a late copy of its submit could still arrive. */
export interface Tombstone {
  readonly contentHigh: number;
  readonly contentLow: number;
  readonly queue: string;
  /** Empty = none. */
  readonly idempotencyKey: string;
  /** Fingerprint of the request that deleted it. */
  readonly requestHigh: number;
  readonly requestLow: number;
  readonly until: ClusterTime;
}

export function encodeTombstone(tombstone: Tombstone): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(FORMAT);
  out.word(tombstone.contentHigh);
  out.word(tombstone.contentLow);
  out.text(tombstone.queue);
  out.text(tombstone.idempotencyKey);
  out.word(tombstone.requestHigh);
  out.word(tombstone.requestLow);
  out.uint(tombstone.until);
  return out.finish();
}

export function decodeTombstone(bytes: Uint8Array): Tombstone {
  const from = new Reader(bytes);
  readFormat(from, FORMAT);
  const tombstone = {
    contentHigh: from.word(),
    contentLow: from.word(),
    queue: from.text(),
    idempotencyKey: from.text(),
    requestHigh: from.word(),
    requestLow: from.word(),
    until: from.uint(),
  };
  from.end();
  return tombstone;
}
