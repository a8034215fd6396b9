/**
 * Runs a transcript: blocks of input lines, `----`, and what came of them. Each line is a batch
 * of one command, or a question to the machine; the reply comes first, the events are indented
 * below it. Running a transcript gives its text anew, to be compared with the file.
 */
import type { Command } from "../../src/queue/command.ts";
import {
  describeCommand,
  describeEvent,
  describeId,
  describeReply,
  describeTask,
  describeTime,
} from "../../src/queue/describe.ts";
import type { Priority } from "../../src/queue/task.ts";
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
    case "ready":
      return `${machine.readyFor(words[0]!, 1000)} for ${words[0]}`;
    case "dead": {
      const scan = machine.historyOverlay(machine.finishedRange("dead", undefined));
      const ids = scan.filter(({ value }) => value !== undefined);
      return ids.map(({ key }) => describeId(key)).join(" ") || "none";
    }
    default:
      return undefined;
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
    case "complete":
      return completeOf(id, token);
    case "fail":
      return failOf(id, token, {
        error: { message: options.get("error") ?? "broken", stack: "" },
        retryAfterMs: options.has("after") ? parseDuration(options.get("after")!) : undefined,
        retryable: !words.includes("final"),
      });
    case "extend":
      return { type: "extend", id, token, forMs: parseDuration(options.get("for")!) };
    case "release":
      return { type: "release", id, token };
    case "cancel":
      return { type: "cancel", id, reason: options.get("reason") ?? "" };
    case "retry":
    case "delete":
      return { type: verb, id, requestId };
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
    default:
      throw new Error(`no such verb: ${verb}`);
  }
}

function parseSubmit(serial: number, options: Options): Command {
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
    },
    {
      retry: { ...RETRY, maxRetries: Number(options.get("retries") ?? RETRY.maxRetries) },
      depthLimit: Number(options.get("depth") ?? 0),
    },
  );
}

function parseRegister(session: string, options: Options): Command {
  return registerOf(session, {
    types: (options.get("types") ?? "mail").split(","),
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
