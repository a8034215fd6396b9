/**
 * What handlers say of their runs: the newest progress, one record, and the newest log lines, one
 * record each, so that a line is added without reading what is there. Lines are numbered from 1
 * over all attempts; with line n the line `LOG_LINES_KEPT` before it goes. Both stay with the task
 * when it ends or is started again, and go with it.
 */
import { assert } from "./assert.ts";
import type { FinishedRecord } from "./codec/finished-record.ts";
import { decodeLogLine, decodeProgress, encodeLogLine, encodeProgress } from "./codec/run-notes.ts";
import type { RunReport } from "./command.ts";
import { logLineKey, PROGRESS, taskKey } from "./keys.ts";
import {
  LINES_PER_REPORT_MAX,
  LOG_LINE_BYTES_MAX,
  LOG_LINES_KEPT,
  LOG_PAGE_MAX,
  PROGRESS_BYTES_MAX,
} from "./limits.ts";
import { HAS_PROGRESS, NONE } from "./live-table.ts";
import { findFinished } from "./lookup.ts";
import type { QueueState } from "./state.ts";
import type { LogLine, Progress, TaskId } from "./task.ts";
import { truncateText } from "./truncate.ts";

/** A log line with its number. */
export interface NumberedLine extends LogLine {
  readonly number: number;
}

export interface LogPage {
  /** In their order. */
  readonly lines: readonly NumberedLine[];
  /** Where to go on; there may be nothing yet. */
  readonly next: number;
  /** Lines that there have ever been. */
  readonly total: number;
}

/** False when there is nothing in it to be kept. */
export function noteRun(s: QueueState, slot: number, { progress, lines }: RunReport): boolean {
  const { value, isNew } = checkProgress(progress);
  if (isNew) keepProgress(s, slot, value);
  if (lines.length > 0) keepLines(s, slot, lines.slice(-LINES_PER_REPORT_MAX));
  return isNew || lines.length > 0;
}

/** Before the flags and counters that it goes by are gone, with the task or without it. */
export function removeRunNotes(
  s: QueueState,
  id: TaskId,
  { hasProgress, logLines }: Pick<FinishedRecord, "hasProgress" | "logLines">,
): void {
  if (hasProgress) s.overlay.delete(taskKey(PROGRESS, id));
  removeLogLines(s, id, logLines);
}

/** `total`: lines that there have been. At most `LOG_LINES_KEPT` deletions, and no reads. */
export function removeLogLines(s: QueueState, id: TaskId, total: number): void {
  for (let number = oldestLine(total); number <= total; number++) {
    s.overlay.delete(logLineKey(id, number));
  }
}

/** A finished task is started again in this slot: what was said of it stays. */
export function restoreRunNotes(s: QueueState, slot: number, record: FinishedRecord): void {
  s.table.logLines[slot] = record.logLines;
  if (record.hasProgress) s.table.flags[slot]! |= HAS_PROGRESS;
}

export function readProgress(
  s: QueueState,
  id: TaskId,
  hasProgress: boolean,
): Progress | undefined {
  const bytes = hasProgress ? s.overlay.get(taskKey(PROGRESS, id)) : undefined;
  return bytes === undefined ? undefined : decodeProgress(bytes);
}

/** Lines behind number `after`; undefined = there is no such task. */
export function readLogLines(
  s: QueueState,
  id: TaskId,
  after: number,
  limit: number,
): LogPage | undefined {
  const total = countLines(s, id);
  if (total === undefined) return undefined;
  const lines: NumberedLine[] = [];
  let number = Math.max(after + 1, oldestLine(total));
  const end = Math.min(total + 1, number + Math.min(limit, LOG_PAGE_MAX));
  for (; number < end; number++) {
    // The lines of a finished task may have been given up before the task.
    const bytes = s.overlay.get(logLineKey(id, number));
    if (bytes !== undefined) lines.push({ number, ...decodeLogLine(bytes) });
  }
  return { lines, next: Math.max(after, end - 1), total };
}

/** For `checkInvariants`. */
export function checkRunNotes(s: QueueState, slot: number): void {
  const { table } = s;
  const id = table.id(slot);
  const total = table.logLines[slot]!;
  const hasProgress = (table.flags[slot]! & HAS_PROGRESS) !== 0;
  assert(s.version >= 3 || (total === 0 && !hasProgress), "notes before their version");
  assert(!hasProgress || readProgress(s, id, true) !== undefined, "a progress is nowhere");
  if (total === 0) return;
  assert(s.overlay.get(logLineKey(id, total)) !== undefined, "the newest log line is nowhere");
  const gone = total - LOG_LINES_KEPT;
  assert(gone < 1 || s.overlay.get(logLineKey(id, gone)) === undefined, "a log line too many");
}

function countLines(s: QueueState, id: TaskId): number | undefined {
  const slot = s.table.find(id);
  return slot === NONE ? findFinished(s, id)?.logLines : s.table.logLines[slot]!;
}

/** JSON that is too long cannot be cut: it counts as not said. */
function checkProgress(value: string): { readonly value: string; readonly isNew: boolean } {
  const fits = truncateText(value, PROGRESS_BYTES_MAX).length === value.length;
  return { value, isNew: fits && value !== "" };
}

function keepProgress(s: QueueState, slot: number, value: string): void {
  const record = encodeProgress({ value, at: s.clock });
  s.overlay.put(taskKey(PROGRESS, s.table.id(slot)), record);
  s.table.flags[slot]! |= HAS_PROGRESS;
  s.touch(slot);
  s.feed.progressed(s.table, slot, s.lanes.laneOf(slot), s.clock);
}

function keepLines(s: QueueState, slot: number, lines: RunReport["lines"]): void {
  const id = s.table.id(slot);
  let number = s.table.logLines[slot]!;
  for (const { level, text } of lines) {
    number++;
    const line = { at: s.clock, level, text: truncateText(text, LOG_LINE_BYTES_MAX) };
    s.overlay.put(logLineKey(id, number), encodeLogLine(line));
    if (number > LOG_LINES_KEPT) s.overlay.delete(logLineKey(id, number - LOG_LINES_KEPT));
  }
  s.table.logLines[slot] = number;
  s.hash.word(number);
  s.touch(slot);
}

function oldestLine(total: number): number {
  return Math.max(1, total - LOG_LINES_KEPT + 1);
}
