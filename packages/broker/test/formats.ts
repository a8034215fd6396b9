/**
 * Every format in which bytes of ours are kept or sent: how to read them, and how to write again
 * what was read. `test/fixtures/format-2` and later have a sample of each, never written anew: what a
 * released broker has written must be read for ever, and be written the same until the version of
 * the cluster says otherwise.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  ByteWriter,
  decodeMessage,
  encodeMessage,
  FrameReader,
  type SentMessage,
} from "task-queue-protocol";
import { decodeAccessKey, encodeAccessKey } from "../src/queue/codec/access-key-record.ts";
import { decodeAttempt, encodeAttempt } from "../src/queue/codec/attempt-record.ts";
import {
  decodeBatch,
  decodeCommand,
  encodeBatch,
  encodeCommand,
} from "../src/queue/codec/batch.ts";
import { LATER_COMMANDS } from "../src/queue/codec/command-tags.ts";
import { decodeContent, encodeContent } from "../src/queue/codec/content.ts";
import { decodeFinishedRecord, encodeFinishedRecord } from "../src/queue/codec/finished-record.ts";
import {
  decodeBlock,
  decodeErrorGroup,
  encodeBlock,
  encodeErrorGroup,
} from "../src/queue/codec/history-records.ts";
import { decodeJob, encodeJob } from "../src/queue/codec/job-record.ts";
import {
  decodeCulprit,
  decodeParents,
  encodeCulprit,
  encodeParents,
} from "../src/queue/codec/parent-record.ts";
import { decodeQueue, encodeQueue } from "../src/queue/codec/queue-record.ts";
import { decodeReply, encodeReply } from "../src/queue/codec/reply.ts";
import {
  decodeLogLine,
  decodeProgress,
  encodeLogLine,
  encodeProgress,
} from "../src/queue/codec/run-notes.ts";
import * as small from "../src/queue/codec/small-records.ts";
import type { CommandType } from "../src/queue/command.ts";
import { decodeRoster, encodeRoster } from "../src/replica/index.ts";
import { SnapshotDecoder } from "../src/snapshots/decoder.ts";
import { encodeHeader, encodeRows, encodeTrailer, startOf } from "../src/snapshots/format.ts";
import { decodeRequest, encodeRequest } from "../src/snapshots/request.ts";
import { decodeEnd, encodeEnd } from "../src/storage/end-marker.ts";
import { decodeEntry, encodeEntry } from "../src/storage/entry-record.ts";
import { decodeFlush, encodeFlush } from "../src/storage/flush-record.ts";
import { FORMAT_FILE, openFormat } from "../src/storage/format-file.ts";
import { encodeSlot, FILE_BYTES, readSlots, SLOT_BYTES } from "../src/storage/identity-slots.ts";
import { decodeBase, encodeBase } from "../src/storage/log-base.ts";
import {
  readStatePointer,
  STATE_POINTER,
  writeStatePointer,
} from "../src/storage/state-pointer.ts";
import { unwrapValue, wrapValue } from "../src/storage/state-record.ts";
import {
  decodeBody,
  encodeEnvelope,
  encodeForwardReplies,
  encodeForwards,
} from "../src/transport/codec.ts";
import {
  decodeHello,
  decodeWelcome,
  encodeHello,
  encodeWelcome,
  packFrame,
  RAFT_SERVICE,
  unpackFrame,
} from "../src/transport/raft-service.ts";
import { scratchDirectory } from "./storage/scratch.ts";

export interface Format {
  /** Reads the bytes and writes them again. Throws when they cannot be read. */
  readonly again: (bytes: Buffer) => Uint8Array | Promise<Uint8Array>;
  /** Where its version stands, as one byte; undefined: in words, or with its neighbours. */
  readonly versionAt?: number;
}

/** What storage says of damage: a sentence instead of a record. */
function sound<T extends object>(decoded: T | string): T {
  if (typeof decoded === "string") throw new Error(decoded);
  return decoded;
}

const ENTRY_INDEX = 7;
const FLUSH_SEQUENCE = 3;
const WORKER_FRAME_BYTES = 65_536;
export const RECORD_KEY: Buffer = Buffer.from("016c00", "hex");

function simple<T>(
  decode: (bytes: Buffer) => T,
  encode: (value: T) => Uint8Array,
  versionAt?: number,
): Format {
  const again = (bytes: Buffer) => encode(decode(bytes));
  return versionAt === undefined ? { again } : { again, versionAt };
}

/** In one frame of a stream of this version of the bus. */
function bus(version: number): Format {
  return {
    again: (bytes) => {
      const parcels = decodeBody(unpackFrame(bytes), "a", "b", version);
      return packFrame(
        parcels.map((parcel) => {
          if (parcel.type === "envelope") return encodeEnvelope(parcel.envelope, version);
          if (parcel.type === "forwards") return encodeForwards(parcel.forwards);
          return encodeForwardReplies(parcel.replies);
        }),
      );
    },
  };
}

function call(method: typeof RAFT_SERVICE.greet | typeof RAFT_SERVICE.form): Format {
  const { requestSerialize, requestDeserialize } = method as typeof RAFT_SERVICE.greet;
  return simple(requestDeserialize, requestSerialize);
}

const snapshot: Format = {
  again: (bytes) => {
    const parts: Buffer[] = [];
    let reached = startOf(Buffer.alloc(0));
    const decoder = new SnapshotDecoder((header, first) => {
      parts.push(encodeHeader(header).frame);
      reached = first;
      return first;
    });
    for (const part of decoder.push(bytes)) {
      if (part.kind === "rows") parts.push(encodeRows(part.rows, reached).frame);
      if (part.kind === "rows") reached = part.reached;
      if (part.kind === "end") parts.push(encodeTrailer(reached));
    }
    decoder.end();
    return Buffer.concat(parts);
  },
};

/** A file that is read from, and written to, a data directory. */
function file(name: string, rewrite: (from: string, to: string) => Promise<void>): Format {
  return {
    again: async (bytes) => {
      const [from, to] = [await scratchDirectory(), await scratchDirectory()];
      await writeFile(join(from, name), bytes);
      await rewrite(from, to);
      return readFile(join(to, name));
    },
  };
}

const pointer = file(STATE_POINTER, async (from, to) => {
  const found = await readStatePointer(from);
  if (found === undefined) throw new Error("no state pointer");
  await writeStatePointer(to, found);
});

const format = file(FORMAT_FILE, async (from, to) => {
  const found = await openFormat(from);
  await writeFile(join(to, FORMAT_FILE), `tq data ${found?.version}\n`);
});

const identity: Format = {
  again: (bytes) => {
    // Of the whole file the store checks the length itself.
    if (bytes.length !== SLOT_BYTES) throw new Error("no slot");
    const all = Buffer.alloc(FILE_BYTES);
    bytes.copy(all, SLOT_BYTES);
    const { newest } = readSlots(all);
    if (newest === undefined) throw new Error("no page is valid");
    return encodeSlot(newest);
  },
};

const worker: Format = {
  again: (bytes) => {
    const writer = new ByteWriter();
    const frames = new FrameReader(WORKER_FRAME_BYTES);
    frames.push(bytes);
    for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
      encodeMessage(writer, frame.requestId, decodeMessage(frame) as SentMessage);
    }
    return writer.view();
  },
};

/** Those that are in the log only since version 3, or in another form. */
const CHANGED_COMMANDS: readonly CommandType[] = ["submit", "complete", ...LATER_COMMANDS];

export const FORMATS: Readonly<Record<string, Format>> = {
  "log entry": simple(
    (bytes) => sound(decodeEntry(bytes, ENTRY_INDEX)),
    ({ entry, previous }) => encodeEntry(entry, previous).value,
    0,
  ),
  "log base": simple((bytes) => sound(decodeBase(bytes)), encodeBase, 0),
  "log end marker": simple((bytes) => sound(decodeEnd(bytes)), encodeEnd, 0),
  "flush record": simple((bytes) => sound(decodeFlush(bytes, FLUSH_SEQUENCE)), encodeFlush, 0),
  "state record": simple(
    (bytes) => sound(unwrapValue(RECORD_KEY, bytes) ?? "it fails its checksum"),
    (body) => wrapValue(RECORD_KEY, body),
  ),
  "state pointer 1": pointer,
  "state pointer 2": pointer,
  "format file 1": format,
  "format file 2": format,
  "identity slot": identity,
  batch: simple(decodeBatch, encodeBatch, 0),
  command: simple(decodeCommand, encodeCommand, 0),
  reply: simple(decodeReply, encodeReply, 0),
  content: simple(decodeContent, encodeContent, 0),
  attempt: simple((bytes) => decodeAttempt(bytes, 1), encodeAttempt, 0),
  "meta 1": simple(small.decodeMeta, small.encodeMeta, 0),
  "meta 2": simple(small.decodeMeta, small.encodeMeta, 0),
  queue: simple(decodeQueue, (it) => encodeQueue(it, 1), 0),
  session: simple(small.decodeSession, small.encodeSession, 0),
  "idempotency key": simple(small.decodeKeyRecord, small.encodeKeyRecord, 0),
  tombstone: simple(small.decodeTombstone, small.encodeTombstone, 0),
  "roster 1, silent": simple(decodeRoster, encodeRoster),
  "roster 1": simple(decodeRoster, encodeRoster),
  "roster 2": simple(decodeRoster, encodeRoster),
  snapshot,
  "snapshot request": simple(decodeRequest, encodeRequest),
  "bus 1": bus(1),
  "bus 2": bus(2),
  "bus hello": simple(decodeHello, encodeHello),
  "bus welcome": simple(decodeWelcome, encodeWelcome),
  "bus greeting": call(RAFT_SERVICE.greet),
  "bus formation": call(RAFT_SERVICE.form),
  "worker protocol": worker,
};

/** What version 3 of the cluster brought, or gave another form; samples in `format-3`. */
export const FORMATS_3: Readonly<Record<string, Format>> = {
  "format file 3": format,
  batch: simple(decodeBatch, encodeBatch, 0),
  ...Object.fromEntries(
    CHANGED_COMMANDS.map((type) => [`command ${type}`, simple(decodeCommand, encodeCommand, 0)]),
  ),
  reply: simple(decodeReply, encodeReply, 0),
  content: simple(decodeContent, encodeContent, 0),
  meta: simple(small.decodeMeta, small.encodeMeta, 0),
  queue: simple(decodeQueue, (it) => encodeQueue(it, 3), 0),
  "group turn": simple(small.decodeGroup, small.encodeGroup, 0),
  "unique key": simple(small.decodeUniqueRecord, small.encodeUniqueRecord, 0),
  finished: simple(decodeFinishedRecord, encodeFinishedRecord, 0),
  parents: simple(decodeParents, encodeParents, 0),
  culprit: simple(decodeCulprit, encodeCulprit, 0),
  progress: simple(decodeProgress, encodeProgress, 0),
  "log line": simple(decodeLogLine, encodeLogLine, 0),
  block: simple(decodeBlock, encodeBlock, 0),
  "error group": simple(decodeErrorGroup, encodeErrorGroup, 0),
  job: simple(decodeJob, encodeJob, 0),
};

/** What version 4 of the cluster brought; samples in `format-4`. */
export const FORMATS_4: Readonly<Record<string, Format>> = {
  "format file 4": format,
  "command createKey": simple(decodeCommand, encodeCommand, 0),
  "command revokeKey": simple(decodeCommand, encodeCommand, 0),
  "command recall": simple(decodeCommand, encodeCommand, 0),
  "access key": simple(decodeAccessKey, encodeAccessKey, 0),
};
