/** The lines of a transcript that are about the history, its retention and jobs. */

import { decodeErrorGroup } from "../../src/queue/codec/history-records.ts";
import type { Command } from "../../src/queue/command.ts";
import { describeId } from "../../src/queue/describe.ts";
import { idOfFinishedKey } from "../../src/queue/history.ts";
import { errorGroupRange } from "../../src/queue/keys.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/queue-settings.ts";
import type { TaskId, TaskState } from "../../src/queue/task.ts";
import type { KeyRange } from "../../src/queue/view.ts";
import { bytesOf, type Driver, makeId, START } from "./harness.ts";
import { scan } from "./history-check.ts";

type Options = ReadonlyMap<string, string>;

export function parseHistoryCommand(verb: string, name: string, options: Options): Command {
  const id = makeId(Number(name));
  const tasks = (options.get("tasks") ?? "").split(",").filter(Boolean).map(idOf);
  switch (verb) {
    case "letters":
      return lettersOf(name, options.get("to") ?? "");
    case "retryAll":
    case "deleteAll":
    case "cancelAll":
      return startOf(verb.slice(0, -3) as "retry" | "delete" | "cancel", id, options);
    case "step":
      return {
        type: "stepJob",
        id,
        step: Number(options.get("step")),
        tasks,
        cursor: bytesOf(options.get("cursor") ?? ""),
      };
    case "cancelJob":
      return { type: "cancelJob", id };
    case "expunge": {
      const finishedAt = START + Number(options.get("ended") ?? 0);
      const what = name as "task" | "result" | "log";
      return { type: "expunge", what, tasks: tasks.map((task) => ({ id: task, finishedAt })) };
    }
    case "forget":
      return { type: "forget", tombstones: tasks, idempotencyKeys: [], uniqueKeys: [] };
    default:
      throw new Error(`no such verb: ${verb}`);
  }
}

/** Undefined = it is not a question. */
export function askHistory(driver: Driver, verb: string, name: string): string | undefined {
  const { machine } = driver;
  switch (verb) {
    case "job": {
      const job = machine.job(makeId(Number(name)));
      if (job === undefined) return "no such job";
      const { state, steps, matched, changed, skipped } = job;
      return `${state} steps=${steps} matched=${matched} changed=${changed} skipped=${skipped}`;
    }
    case "groups": {
      const groups = scan(driver, errorGroupRange(undefined));
      const lines = groups.map(([, value]) => {
        const { type, count, message } = decodeErrorGroup(value);
        return `${count} × ${type}: ${message}`;
      });
      return lines.join("\n") || "no groups";
    }
    case "tagged":
      return list(driver, machine.tagRange(name, undefined));
    case "ended":
      return list(driver, machine.finishedRange(name as "dead", undefined));
    case "bytes":
      return `${machine.queue(name)?.finishedBytes} bytes`;
    case "from": {
      const next = machine.skipTo(makeId(Number(name)), {});
      return next === undefined ? "nothing" : describeId(next);
    }
    default:
      return undefined;
  }
}

function list(driver: Driver, range: KeyRange): string {
  const ids = scan(driver, range).map(([key]) => describeId(idOfFinishedKey(key)));
  return ids.join(" ") || "none";
}

function lettersOf(queue: string, deadLetterQueue: string): Command {
  const settings = { ...DEFAULT_SETTINGS, deadLetterQueue };
  return { type: "configureQueue", queue, settings };
}

function startOf(kind: "retry" | "delete" | "cancel", id: TaskId, options: Options): Command {
  return {
    type: "startJob",
    id,
    kind,
    filter: {
      state: options.get("state") as TaskState | undefined,
      queue: options.get("queue") ?? "",
      type: options.get("type") ?? "",
      tag: options.get("tag") ?? "",
      fingerprint: "",
      createdFrom: 0,
      createdTo: 0,
      finishedFrom: 0,
      finishedTo: 0,
    },
    dryRun: options.has("dry"),
    perSecond: 0,
  };
}

function idOf(serial: string): TaskId {
  return makeId(Number(serial));
}
