/**
 * How many commands one entry takes: followers get it in one message, which has a bound, and an
 * entry beyond that bound could never be replicated. So what a command weighs is never less than
 * what the codec makes of it, and a new type of command does not compile until it is weighed here.
 */
import type {
  Command,
  ConfigureQueue,
  Forget,
  NewTask,
  QueueSettings,
  Register,
  RetryPolicy,
  RunReport,
  StartJob,
  TaskContent,
} from "../queue/index.ts";
import { ENTRY_BYTES_MAX, ENTRY_COMMANDS_MAX } from "./limits.ts";

/** Form, time and number of commands of a batch, and a command's tag. */
const HEAD_BYTES = 16;
const ID_BYTES = 16;
/** The longest whole number, and each ratio. */
const NUMBER_BYTES = 8;
const NO_NUMBERS: readonly number[] = [];
/** A task id and a token. */
const LEASE_BYTES = ID_BYTES + NUMBER_BYTES;

/** A command and what `sizeOf` says of it. */
export interface Weighed {
  readonly command: Command;
  readonly bytes: number;
}

/** The first of the waiting writes that fit into one entry; at least one, however large. */
export function fillEntry(waiting: Iterable<Weighed>): Command[] {
  const commands: Command[] = [];
  let total = 0;
  for (const { command, bytes } of waiting) {
    total += bytes;
    const isFull = total > ENTRY_BYTES_MAX || commands.length === ENTRY_COMMANDS_MAX;
    if (isFull && commands.length > 0) break;
    commands.push(command);
  }
  return commands;
}

/** Bytes of a batch of this command, at most. */
export function sizeOf(command: Command): number {
  return HEAD_BYTES + bodyBytes(command);
}

function bodyBytes(command: Command): number {
  switch (command.type) {
    case "submit":
      return taskBytes(command);
    case "submitAll":
      return tasksBytes(command.tasks);
    case "complete":
      return LEASE_BYTES + blobBytes(command.result) + 1 + tasksBytes(command.children ?? []);
    case "fail": {
      const { message, stack } = command.error;
      return LEASE_BYTES + textBytes(message) + textBytes(stack) + NUMBER_BYTES + 1;
    }
    case "cancel":
      return ID_BYTES + textBytes(command.reason);
    case "retry":
    case "delete":
      return ID_BYTES + blobBytes(command.requestId);
    case "register":
      return registerBytes(command);
    case "renew":
      return textsBytes(command.sessions);
    case "unregister":
      return textBytes(command.session);
    case "lapse":
    case "lease":
      return textBytes(command.session) + NUMBER_BYTES;
    case "extend":
    case "release":
    case "recall":
      return LEASE_BYTES + NUMBER_BYTES;
    case "report":
      return textBytes(command.session) + runsBytes(command.runs);
    case "configureQueue":
      return configureBytes(command);
    case "deleteQueue":
      return textBytes(command.queue) + NUMBER_BYTES;
    case "startJob":
      return ID_BYTES + filterBytes(command) + 2 + NUMBER_BYTES;
    case "stepJob":
      return ID_BYTES + NUMBER_BYTES + idsBytes(command.tasks) + blobBytes(command.cursor);
    case "expunge":
      return 1 + NUMBER_BYTES + command.tasks.length * (ID_BYTES + NUMBER_BYTES);
    case "forget": {
      const { tombstones, idempotencyKeys, uniqueKeys } = command;
      return idsBytes(tombstones) + keysBytes(idempotencyKeys) + keysBytes(uniqueKeys);
    }
    case "createKey": {
      const { name, verifier, permissions, createdBy } = command;
      const texts = textBytes(name) + textsBytes(permissions) + textBytes(createdBy);
      return ID_BYTES + texts + blobBytes(verifier) + NUMBER_BYTES;
    }
    case "revokeKey":
    case "reschedule":
    case "cancelJob":
    case "wake":
    case "takeOffice":
      return ID_BYTES + 2 * NUMBER_BYTES;
  }
}

function tasksBytes(tasks: readonly NewTask[]): number {
  let bytes = NUMBER_BYTES;
  for (const task of tasks) bytes += taskBytes(task);
  return bytes;
}

function taskBytes(task: NewTask): number {
  const { content, contentBytes, retry, depthLimit, ended = NO_NUMBERS } = task;
  const size = contentBytes?.length ?? contentSize(content);
  const policy = wishBytes(retry) + numberBytes(depthLimit) + numbersBytes(ended);
  return ID_BYTES + numberBytes(size) + size + policy + numberBytes(ended.length);
}

function contentSize(content: TaskContent): number {
  const { type, queue, payload, idempotencyKey, tags, metadata, traceparent } = content;
  const { unique, group, requires, dependsOn } = content;
  const { delayMs, runAt, timeoutMs, expiresInMs, expiresAt } = content;
  let bytes = textBytes(type) + textBytes(queue) + textBytes(idempotencyKey) + textsBytes(tags);
  bytes += textBytes(metadata) + textBytes(traceparent) + blobBytes(payload);
  bytes += numberBytes(delayMs) + numberBytes(runAt) + numberBytes(timeoutMs);
  bytes += numberBytes(expiresInMs) + numberBytes(expiresAt);
  bytes += wishBytes(content.retry) + textBytes(group) + textsBytes(requires);
  if (unique !== undefined) bytes += textBytes(unique.key) + NUMBER_BYTES + 1;
  // Form, priority, type of the payload, which parts there are, what a parent's failure means.
  return bytes + idsBytes(dependsOn) + 5;
}

/** Of a whole policy as well. */
function wishBytes(wish: Partial<RetryPolicy>): number {
  const { maxRetries = 0, initialDelayMs = 0, maxDelayMs = 0, delaysMs = NO_NUMBERS } = wish;
  let bytes = numberBytes(maxRetries) + numberBytes(initialDelayMs) + numberBytes(maxDelayMs);
  bytes += numberBytes(delaysMs.length);
  if (wish.multiplier !== undefined) bytes += NUMBER_BYTES;
  if (wish.jitter !== undefined) bytes += NUMBER_BYTES;
  // Which parts there are, and both choices.
  return bytes + numbersBytes(delaysMs) + 3;
}

function registerBytes(command: Register): number {
  const { session, secret, name, version, queues, types, labels } = command;
  const names = textBytes(session) + textBytes(name) + textBytes(version);
  const lists = textsBytes(queues) + textsBytes(types) + textsBytes(labels);
  return names + lists + blobBytes(secret) + 2 * NUMBER_BYTES;
}

function runsBytes(runs: readonly RunReport[]): number {
  let bytes = NUMBER_BYTES;
  for (const { progress, lines } of runs) {
    bytes += LEASE_BYTES + textBytes(progress) + numberBytes(lines.length);
    for (const { text } of lines) bytes += 1 + textBytes(text);
  }
  return bytes;
}

function configureBytes({ queue, settings }: ConfigureQueue): number {
  const flags = 3;
  const bytes = textBytes(queue) + NUMBER_BYTES + flags;
  return settings === undefined ? bytes : bytes + settingsBytes(settings);
}

function settingsBytes({ retry, groupWeights, deadLetterQueue }: QueueSettings): number {
  // Four numbers of their own, six of the retention, and how many groups there are.
  let bytes = 11 * NUMBER_BYTES + wishBytes(retry) + textBytes(deadLetterQueue);
  for (const { group, weight } of groupWeights) bytes += textBytes(group) + numberBytes(weight);
  return bytes;
}

function filterBytes({ filter }: StartJob): number {
  const { queue, type, tag, fingerprint } = filter;
  const texts = textBytes(queue) + textBytes(type) + textBytes(tag) + textBytes(fingerprint);
  return 1 + texts + 4 * NUMBER_BYTES;
}

function idsBytes(ids: readonly Uint8Array[]): number {
  return numberBytes(ids.length) + ids.length * ID_BYTES;
}

function keysBytes(keys: Forget["uniqueKeys"]): number {
  let bytes = numberBytes(keys.length);
  for (const { queue, key } of keys) bytes += textBytes(queue) + textBytes(key);
  return bytes;
}

function blobBytes(blob: Uint8Array): number {
  return numberBytes(blob.length) + blob.length;
}

function textsBytes(texts: readonly string[]): number {
  let bytes = numberBytes(texts.length);
  for (const text of texts) bytes += textBytes(text);
  return bytes;
}

/** As UTF-8; half of a pair of surrogates counts as three, which is enough for a lone one. */
function textBytes(text: string): number {
  let bytes = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
  }
  return numberBytes(bytes) + bytes;
}

function numbersBytes(numbers: readonly number[]): number {
  let bytes = 0;
  for (const number of numbers) bytes += numberBytes(number);
  return bytes;
}

function numberBytes(number: number): number {
  let bytes = 1;
  for (let rest = number; rest >= 128; rest /= 128) bytes++;
  return bytes;
}
