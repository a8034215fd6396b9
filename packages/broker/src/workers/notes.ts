/**
 * `report`: what handlers say of runs that go on. Unlike the reports that end a lease it is worth
 * little: it goes once, its results say whether it was taken, and nobody sends it again. On nearly
 * full disks the progress of all runs is kept, and those with lines hear that these were not.
 */
import type { ItemError, Report, ReportItem, ReportOk } from "task-queue-protocol";
import { PROGRESS_BYTES_MAX } from "task-queue-protocol";
import type { Broker, Outcome } from "../operations/broker.ts";
import { outcomeToError } from "../operations/outcome-to-error.ts";
import { RUNS_PER_REPORT_MAX } from "../queue/index.ts";
import type { Peer, PortContext } from "./port.ts";
import { asTqError, itemError } from "./refusal.ts";
import { Results } from "./results.ts";

const FIRST: ReportOk = { ok: true, duplicate: false };
/** Nothing of it was kept: the runs are over. */
const PASSED_OVER: ReportOk = { ok: true, duplicate: true };

export function handleNotes(
  port: PortContext,
  peer: Peer,
  requestId: number,
  { items }: Report,
  session: string,
): void {
  const bytes = items.reduce((sum, item) => sum + bytesOf(item), 0);
  peer.opened(items.length, bytes);
  const results = new Results<ReportOk>(items.length, (all) => {
    peer.settled(items.length, bytes);
    peer.send(requestId, { kind: "reported", results: all });
  });
  const sound: number[] = [];
  items.forEach((item, position) => {
    const refused = checkProgress(item);
    if (refused === undefined) sound.push(position);
    else results.set(position, refused);
  });
  for (let from = 0; from < sound.length; from += RUNS_PER_REPORT_MAX) {
    const positions = sound.slice(from, from + RUNS_PER_REPORT_MAX);
    const runs = positions.map((position) => items[position]!);
    note(port.broker, session, runs, (at, result) => results.set(positions[at]!, result));
  }
}

/** `done` is called once for each run. */
function note(
  broker: Pick<Broker, "request">,
  session: string,
  runs: readonly ReportItem[],
  done: (at: number, result: ReportOk | ItemError) => void,
): void {
  broker.request({ type: "report", session, runs }, (outcome) => {
    const result = toResult(outcome);
    if (!isDiskFull(outcome)) {
      for (const at of runs.keys()) done(at, result);
      return;
    }
    // Lines are what there is no room for, and one run's lines are not another's progress.
    const kept = runs.flatMap((run) => (run.progress !== "" ? [{ ...run, lines: [] }] : []));
    const finish = (rest: ReportOk | ItemError): void => {
      for (const [at, run] of runs.entries()) done(at, run.lines.length > 0 ? result : rest);
    };
    if (kept.length === 0) return finish(result);
    broker.request({ type: "report", session, runs: kept }, (after) => finish(toResult(after)));
  });
}

function isDiskFull(outcome: Outcome): boolean {
  return outcome.kind === "refused" && outcome.code === "disk_full";
}

function bytesOf({ progress, lines }: ReportItem): number {
  return lines.reduce((sum, { text }) => sum + text.length, progress.length);
}

/** What is kept is shown as JSON: it must be some. */
function checkProgress({ progress }: ReportItem): ItemError | undefined {
  if (progress === "") return undefined;
  if (Buffer.byteLength(progress) > PROGRESS_BYTES_MAX) {
    return refusal("too_large", `progress may have ${PROGRESS_BYTES_MAX} bytes`);
  }
  try {
    JSON.parse(progress);
    return undefined;
  } catch {
    return refusal("invalid_request", "progress is JSON");
  }
}

function refusal(code: string, message: string): ItemError {
  return { ok: false, retryable: false, code, message, field: "progress" };
}

function toResult(outcome: Outcome): ReportOk | ItemError {
  if (outcome.kind === "applied" && outcome.reply.code === "ok") {
    return outcome.reply.duplicate ? PASSED_OVER : FIRST;
  }
  return itemError(outcomeToError(outcome) ?? asTqError(undefined));
}
