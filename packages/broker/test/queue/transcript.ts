/**
 * Runs a transcript: blocks of input lines, `----`, and what came of them. Each line is a batch
 * of one command, or a question to the machine; the reply comes first, the events are indented
 * below it. Running a transcript gives its text anew, to be compared with the file.
 */
import type { Command, NewTask, Submit } from "../../src/queue/command.ts";
import {
  describeCommand,
  describeEvent,
  describeId,
  describeReply,
  describeTask,
  describeTime,
} from "../../src/queue/describe.ts";
import { ENTRY_END } from "../../src/queue/feed.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/queue-settings.ts";
import type {
  ParentFailure,
  Priority,
  TaskId,
  Unique,
  UniqueConflict,
} from "../../src/queue/task.ts";
import {
  bytesOf,
  completeOf,
  Driver,
  failOf,
  makeId,
  RETRY,
  registerOf,
  START,
  submitOf,
} from "./harness.ts";
import { askHistory, parseHistoryCommand } from "./transcript-history.ts";

type Options = ReadonlyMap<string, string>;

export function runTranscript(text: string): string {
  const driver = new Driver();
  const blocks = text.split(/\n\n+/).filter((block) => block.trim() !== "");
  return `${blocks.map((block) => runBlock(driver, block)).join("\n\n")}\n`;
}

function runBlock(driver: Driver, block: string): string {
  const input = block.split(/\n?----/)[0]!.trim();
  const lines = input.split("\n");
  if (lines.every((line) => line.startsWith("#"))) return input;
  const output = lines.filter((line) => !line.startsWith("#")).map((line) => runLine(driver, line));
  return [input, "----", ...output.filter((line) => line !== "")].join("\n");
}

function runLine(driver: Driver, line: string): string {
  const [verb, ...words] = line.trim().split(/ +/) as [string, ...string[]];
  const answer = ask(driver, verb, words);
  if (answer !== undefined) return answer;
  const reply = describeReply(driver.one(parseCommand(verb, words)));
  const events = driver.takeEvents().map((event) => {
    return `  ${describeEvent(event, (lane) => laneName(driver, lane))}`;
  });
  return [reply, ...events].join("\n");
}

function laneName(driver: Driver, number: number): string {
  const lane = driver.machine.lane(number);
  return lane === undefined ? "no lane" : `${lane.queue}/${lane.type}`;
}

/** Lines that are not commands. */
function ask(driver: Driver, verb: string, words: readonly string[]): string | undefined {
  const { machine } = driver;
  switch (verb) {
    case "at":
      driver.now = START + parseDuration(words[0]!);
      return "";
    case "raise":
      driver.raise(Number(words[0]));
      return "";
    case "flush":
      driver.flush();
      return "";
    case "restart":
      driver.restart();
      return "";
    case "show": {
      const task = machine.task(makeId(Number(words[0])));
      return task === undefined ? "no such task" : describeTask(task, START);
    }
    case "counts": {
      const counts = Object.entries(machine.counts()).filter(([, count]) => count > 0);
      return counts.map(([state, count]) => `${state}=${count}`).join(" ") || "no tasks";
    }
    case "due": {
      const due = machine.dueCommands(driver.now);
      return due.map((command) => describeCommand(command, START)).join("\n") || "nothing is due";
    }
    case "next": {
      const next = machine.nextDeadline();
      return next === Number.POSITIVE_INFINITY ? "never" : describeTime(next, START);
    }
    case "events":
      return listEvents(driver, words);
    case "log": {
      const page = machine.logLines(makeId(Number(words[0])), Number(words[1] ?? 0), 3);
      const lines = page?.lines.map(({ number, level, text }) => `${number} ${level} ${text}`);
      return lines?.join("\n") || "no lines";
    }
    case "ready":
      return `${machine.readyFor(words[0]!, 1000)} for ${words[0]}`;
    case "dead": {
      const scan = machine.historyOverlay(machine.finishedRange("dead", undefined));
      const ids = scan.filter(({ value }) => value !== undefined);
      return ids.map(({ key }) => describeId(key)).join(" ") || "none";
    }
    default:
      return askHistory(driver, verb, words[0] ?? "");
  }
}

function parseCommand(verb: string, words: readonly string[]): Command {
  const [name = "", second = ""] = words;
  const options: Options = new Map(
    words.filter((word) => word.includes("=")).map((word) => word.split("=") as [string, string]),
  );
  const id = makeId(Number(name));
  const token = Number(options.get("token") ?? 0);
  const requestId = bytesOf(options.get("request") ?? "r");
  switch (verb) {
    case "submit":
      return parseSubmit(Number(name), options);
    case "register":
      return parseRegister(name, options);
    case "lease":
      return { type: "lease", session: name, count: Number(second) };
    case "submitAll":
      return { type: "submitAll", tasks: parseTasks(name, options) };
    case "complete": {
      const done = completeOf(id, token);
      const children = options.get("children");
      return children === undefined ? done : { ...done, children: parseTasks(children, options) };
    }
    case "reschedule":
      return { type: "reschedule", id, runAt: START + parseDuration(options.get("run")!) };
    case "fail":
      return failOf(id, token, {
        error: { message: options.get("error") ?? "broken", stack: "" },
        retryAfterMs: options.has("after") ? parseDuration(options.get("after")!) : undefined,
        retryable: !words.includes("final"),
      });
    case "extend":
      return { type: "extend", id, token, forMs: parseDuration(options.get("for")!) };
    case "release":
    case "recall":
      return { type: verb, id, token };
    case "cancel":
      return { type: "cancel", id, reason: options.get("reason") ?? "" };
    case "retry":
    case "delete":
      return { type: verb, id, requestId };
    case "report":
      return parseReport(id, token, options);
    case "renew":
      return { type: "renew", sessions: name.split(",") };
    case "unregister":
      return { type: "unregister", session: name };
    case "lapse":
      return { type: "lapse", session: name, renewals: Number(options.get("renewals")) };
    case "wake":
      return { type: "wake", max: Number(name || 1000) };
    case "takeOffice":
      return { type: "takeOffice" };
    case "configure":
      return parseConfigure(name, options);
    case "deleteQueue":
      return { type: "deleteQueue", queue: name };
    default:
      return parseHistoryCommand(verb, name, options);
  }
}

/** `weights`: like `ada:2,bob:1`. */
function parseConfigure(queue: string, options: Options): Command {
  const number = (name: string) => Number(options.get(name) ?? 0);
  const weights = (options.get("weights") ?? "").split(",").filter(Boolean);
  const settings = {
    ...DEFAULT_SETTINGS,
    concurrency: number("concurrency"),
    groupConcurrency: number("each"),
    weight: Number(options.get("weight") ?? 1),
    groupWeights: weights.map((text) => {
      const [group, weight] = text.split(":");
      return { group: group!, weight: Number(weight) };
    }),
  };
  const paused = options.get("paused");
  return {
    type: "configureQueue",
    queue,
    ...(options.has("if") ? { ifRevision: number("if") } : {}),
    ...(paused === undefined ? { settings } : { paused: paused === "yes" }),
  };
}

/** `after`: an index, or `index.ordinal`. */
function listEvents({ machine }: Driver, [after]: readonly string[]): string {
  const [index, ordinal = ENTRY_END] = (after ?? "").split(".").map(Number);
  const page = machine.feed.read({ index: index!, ordinal }, 1000);
  if (page.kind === "compacted") return `compacted: begin at ${page.oldest.index}`;
  const lines = page.events.map(
    (event) => `${event.index}.${event.ordinal} ${describeId(event.id)} ${event.kind}`,
  );
  return lines.join("\n") || "no events";
}

function parseReport(id: TaskId, token: number, options: Options): Command {
  const texts = options.has("lines") ? options.get("lines")!.split(",") : [];
  const lines = texts.map((text) => ({ level: "info" as const, text }));
  const run = { id, token, progress: options.get("progress") ?? "", lines };
  return { type: "report", session: options.get("session")!, runs: [run] };
}

/** Comma-separated numbers; what the options say is said of each. */
function parseTasks(serials: string, options: Options): NewTask[] {
  return serials.split(",").map((serial) => {
    const { type: _, ...task } = parseSubmit(Number(serial), options);
    return task;
  });
}

/** `key`, `key:conflict` or `key:conflict:time`. */
function parseUnique(text: string | undefined): Unique | undefined {
  if (text === undefined) return undefined;
  const [key, onConflict = "keep", time = "0ms"] = text.split(":");
  return { key: key!, onConflict: onConflict as UniqueConflict, forMs: parseDuration(time) };
}

function parseSubmit(serial: number, options: Options): Submit {
  const duration = (name: string) => parseDuration(options.get(name) ?? "0ms");
  return submitOf(
    makeId(serial, START + duration("minted")),
    {
      type: options.get("type") ?? "mail",
      queue: options.get("queue") ?? "default",
      priority: (options.get("priority") ?? "normal") as Priority,
      payload: bytesOf(options.get("payload") ?? "{}"),
      delayMs: duration("delay"),
      runAt: options.has("run") ? START + duration("run") : 0,
      timeoutMs: duration("timeout"),
      idempotencyKey: options.get("key") ?? "",
      tags: (options.get("tags") ?? "").split(",").filter(Boolean),
      group: options.get("group") ?? "",
      requires: (options.get("requires") ?? "").split(",").filter(Boolean),
      unique: parseUnique(options.get("unique")),
      expiresInMs: duration("ttl"),
      expiresAt: options.has("expires") ? START + duration("expires") : 0,
      dependsOn: (options.get("parents") ?? "").split(",").filter(Boolean).map(idOf),
      onParentFailure: (options.get("else") ?? "fail") as ParentFailure,
    },
    {
      retry: { ...RETRY, maxRetries: Number(options.get("retries") ?? RETRY.maxRetries) },
      depthLimit: Number(options.get("depth") ?? 0),
    },
  );
}

function idOf(serial: string): TaskId {
  return makeId(Number(serial));
}

function parseRegister(session: string, options: Options): Command {
  return registerOf(session, {
    types: (options.get("types") ?? "mail").split(","),
    labels: (options.get("labels") ?? "").split(",").filter(Boolean),
    queues: options.has("queues") ? options.get("queues")!.split(",") : [],
    secret: bytesOf(options.get("secret") ?? "secret"),
    leaseMs: parseDuration(options.get("lease") ?? "30s"),
  });
}

function parseDuration(text: string): number {
  const [, sign, number, unit] = /^([+-]?)([\d.]+)(ms|s|m|h)$/.exec(text) ?? [];
  if (unit === undefined) throw new Error(`not a duration: ${text}`);
  const ms = Number(number) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit]!;
  return sign === "-" ? -ms : ms;
}
