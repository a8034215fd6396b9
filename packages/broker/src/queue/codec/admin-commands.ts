/** The commands of operators, of jobs and of retention as bytes; see `batch.ts`. */
import type {
  CancelJob,
  ConfigureQueue,
  CreateKey,
  DeleteQueue,
  Expunge,
  Forget,
  QueueKey,
  RevokeKey,
  StartJob,
  StepJob,
} from "../command.ts";
import type { JobFilter, JobKind } from "../job.ts";
import { JOB_KINDS } from "../job.ts";
import type { TaskId, TaskState } from "../task.ts";
import { TASK_STATES } from "../task.ts";
import { readSettings, writeSettings } from "./queue-record.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

const ID_BYTES = 16;
const EXPUNGED = ["task", "result", "log"] as const;

export type AdminCommand =
  | ConfigureQueue
  | DeleteQueue
  | StartJob
  | StepJob
  | CancelJob
  | Expunge
  | Forget
  | CreateKey
  | RevokeKey;

/** Bits of what a ConfigureQueue says. */
const SETTINGS = 1;
const PAUSED = 2;
const DRAINING = 4;
const CHANGES = 8;

export function writeAdminCommand(out: Writer, command: AdminCommand): void {
  switch (command.type) {
    case "configureQueue":
      writeConfigure(out, command);
      return;
    case "deleteQueue":
      out.text(command.queue);
      writeCondition(out, command.ifRevision);
      return;
    case "startJob":
      out.raw(command.id);
      out.byte(JOB_KINDS.indexOf(command.kind));
      writeFilter(out, command.filter);
      out.flag(command.dryRun);
      out.uint(command.perSecond);
      return;
    case "stepJob":
      out.raw(command.id);
      out.uint(command.step);
      writeIds(out, command.tasks);
      out.bytes(command.cursor);
      return;
    case "cancelJob":
      out.raw(command.id);
      return;
    case "expunge":
      writeExpunge(out, command);
      return;
    case "forget":
      writeIds(out, command.tombstones);
      writeKeys(out, command.idempotencyKeys);
      writeKeys(out, command.uniqueKeys);
      return;
    case "createKey":
      writeCreateKey(out, command);
      return;
    case "revokeKey":
      out.raw(command.id);
      out.uint(command.at);
      return;
  }
}

/** @throws CodecError */
export function readAdminCommand(from: Reader, type: AdminCommand["type"]): AdminCommand {
  switch (type) {
    case "configureQueue":
      return readConfigure(from);
    case "deleteQueue":
      return { type, queue: from.text(), ...readRevision(from) };
    case "startJob":
      return {
        type,
        id: from.raw(ID_BYTES),
        kind: JOB_KINDS[from.choice(JOB_KINDS.length)] as JobKind,
        filter: readFilter(from),
        dryRun: from.flag(),
        perSecond: from.uint(),
      };
    case "stepJob": {
      const id = from.raw(ID_BYTES);
      return { type, id, step: from.uint(), tasks: readIds(from), cursor: from.bytes() };
    }
    case "cancelJob":
      return { type, id: from.raw(ID_BYTES) };
    case "expunge":
      return readExpunge(from);
    case "forget":
      return {
        type,
        tombstones: readIds(from),
        idempotencyKeys: readKeys(from),
        uniqueKeys: readKeys(from),
      };
    case "createKey":
      return readCreateKey(from);
    case "revokeKey":
      return { type, id: from.raw(ID_BYTES), at: from.uint() };
  }
}

function writeCreateKey(out: Writer, command: CreateKey): void {
  out.raw(command.id);
  out.text(command.name);
  out.bytes(command.verifier);
  out.texts(command.permissions);
  out.text(command.createdBy);
  out.uint(command.expiresAt);
}

function readCreateKey(from: Reader): CreateKey {
  return {
    type: "createKey",
    id: from.raw(ID_BYTES),
    name: from.text(),
    verifier: from.bytes(),
    permissions: from.texts(),
    createdBy: from.text(),
    expiresAt: from.uint(),
  };
}

function writeConfigure(out: Writer, command: ConfigureQueue): void {
  const { settings, paused, draining } = command;
  out.text(command.queue);
  writeCondition(out, command.ifRevision);
  let changes = 0;
  if (settings !== undefined) changes |= SETTINGS;
  if (paused !== undefined) changes |= PAUSED;
  if (draining !== undefined) changes |= DRAINING;
  out.byte(changes);
  if (settings !== undefined) writeSettings(out, settings);
  if (paused !== undefined) out.flag(paused);
  if (draining !== undefined) out.flag(draining);
}

function readConfigure(from: Reader): ConfigureQueue {
  const queue = from.text();
  const head = { type: "configureQueue", queue, ...readRevision(from) } as const;
  const changes = from.choice(CHANGES);
  return {
    ...head,
    ...(changes & SETTINGS ? { settings: readSettings(from) } : {}),
    ...(changes & PAUSED ? { paused: from.flag() } : {}),
    ...(changes & DRAINING ? { draining: from.flag() } : {}),
  };
}

function readRevision(from: Reader): { ifRevision?: number } {
  const ifRevision = readCondition(from);
  return ifRevision === undefined ? {} : { ifRevision };
}

/** What a command wants to find; 0 = nothing in particular. */
export function writeCondition(out: Writer, wanted: number | undefined): void {
  out.uint(wanted === undefined ? 0 : wanted + 1);
}

/** @throws CodecError */
export function readCondition(from: Reader): number | undefined {
  const stored = from.uint();
  return stored === 0 ? undefined : stored - 1;
}

function writeExpunge(out: Writer, { what, tasks }: Expunge): void {
  out.byte(EXPUNGED.indexOf(what));
  out.uint(tasks.length);
  for (const { id, finishedAt } of tasks) {
    out.raw(id);
    out.uint(finishedAt);
  }
}

function readExpunge(from: Reader): Expunge {
  const what = EXPUNGED[from.choice(EXPUNGED.length)] as Expunge["what"];
  const tasks: Expunge["tasks"][number][] = [];
  for (let left = from.count(); left > 0; left--) {
    tasks.push({ id: from.raw(ID_BYTES), finishedAt: from.uint() });
  }
  return { type: "expunge", what, tasks };
}

function writeIds(out: Writer, ids: readonly TaskId[]): void {
  out.uint(ids.length);
  for (const id of ids) out.raw(id);
}

function readIds(from: Reader): TaskId[] {
  const ids: TaskId[] = [];
  for (let left = from.count(); left > 0; left--) ids.push(from.raw(ID_BYTES));
  return ids;
}

function writeKeys(out: Writer, keys: readonly QueueKey[]): void {
  out.uint(keys.length);
  for (const { queue, key } of keys) {
    out.text(queue);
    out.text(key);
  }
}

function readKeys(from: Reader): QueueKey[] {
  const keys: QueueKey[] = [];
  for (let left = from.count(); left > 0; left--) {
    keys.push({ queue: from.text(), key: from.text() });
  }
  return keys;
}

/** Also part of a job's record. */
export function writeFilter(out: Writer, filter: JobFilter): void {
  out.byte(filter.state === undefined ? 0 : TASK_STATES.indexOf(filter.state) + 1);
  out.text(filter.queue);
  out.text(filter.type);
  out.text(filter.tag);
  out.text(filter.fingerprint);
  out.uint(filter.createdFrom);
  out.uint(filter.createdTo);
  out.uint(filter.finishedFrom);
  out.uint(filter.finishedTo);
}

/** @throws CodecError */
export function readFilter(from: Reader): JobFilter {
  const state = from.choice(TASK_STATES.length + 1);
  return {
    state: state === 0 ? undefined : (TASK_STATES[state - 1] as TaskState),
    queue: from.text(),
    type: from.text(),
    tag: from.text(),
    fingerprint: from.text(),
    createdFrom: from.uint(),
    createdTo: from.uint(),
    finishedFrom: from.uint(),
    finishedTo: from.uint(),
  };
}
