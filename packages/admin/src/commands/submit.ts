/** `tq-admin submit TYPE`. */
import type { SubmitOptions } from "task-queue-client";
import type { Arguments, Command } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import type { Io } from "../io.ts";
import { showTask } from "../task-view.ts";
import { duration, jsonOf, oneOf, PRIORITIES, text, texts, time, whole, wrong } from "../values.ts";

const CONFLICTS = ["keep", "replace", "reject"] as const;
const FAILURES = ["fail", "cancel", "continue"] as const;
const MAX_RETRIES_MAX = 1_000;

export const submit: Command = {
  usage: "submit <type>",
  summary: "Submit a task",
  examples: [
    ["tq-admin submit echo --payload '{\"n\": 1}' --wait", "and show what came of it"],
    ["tq-admin submit report --payload @order.json --delay 10m", "payload from a file, later"],
  ],
  arguments: (parser) =>
    parser
      .positional("type", { type: "string", describe: "The task's type", demandOption: true })
      .option("payload", { type: "string", describe: "JSON, @file, or - for standard input" })
      .option("queue", { type: "string", describe: "Queue [default]" })
      .option("priority", { type: "string", choices: PRIORITIES, describe: "[normal]" })
      .option("delay", { type: "string", describe: "Not before, from now: 30s, 10m" })
      .option("run-at", { type: "string", describe: "Not before: 2030-01-31T08:00:00Z" })
      .option("max-retries", { type: "string", describe: "Retries after the first attempt" })
      .option("run-timeout", { type: "string", describe: "Longest run: 30s, 5m" })
      .option("idempotency-key", { type: "string", describe: "The same key is the same task" })
      .option("id", { type: "string", describe: "The task's id, a UUIDv7" })
      .option("tag", { type: "string", array: true, describe: "A tag; repeatable" })
      .option("expires-in", { type: "string", describe: "Give it up when not begun by then: 1h" })
      .option("expires-at", { type: "string", describe: "The same: 2030-01-31T08:00:00Z" })
      .option("unique-key", { type: "string", describe: "One live task of the queue has it" })
      .option("unique-for", { type: "string", describe: "Keep the key for so long: 1h" })
      .option("unique-conflict", {
        type: "string",
        choices: CONFLICTS,
        describe: "When the key is taken",
      })
      .option("group", { type: "string", describe: "On whose behalf: groups take turns" })
      .option("require", { type: "string", array: true, describe: "KEY=VALUE of its worker" })
      .option("after", { type: "string", array: true, describe: "Id of a parent; repeatable" })
      .option("on-parent-failure", {
        type: "string",
        choices: FAILURES,
        describe: "When a parent does not complete",
      })
      .option("metadata", { type: "string", describe: "A JSON object, @file, or -" })
      .option("wait", { type: "boolean", describe: "Wait until it is finished" })
      .option("wait-timeout", { type: "string", describe: "But not longer than [1m]" }),
  async run({ client, io, out, args }) {
    const source = text(args, "payload");
    const payload = source === undefined ? null : jsonOf(source, "payload", io);
    const options = readOptions(args, io);
    const handle = await client.submit(text(args, "type") ?? "", payload, options);
    if (args["wait"] !== true) {
      const { id, state, duplicate } = handle;
      out.item({ id, state, duplicate }, () => [
        ["id", id],
        ["state", state],
        ...(duplicate ? [["note", "it had been submitted before"] as const] : []),
      ]);
      return EXIT.ok;
    }
    const timeoutMs = duration(args, "wait-timeout") ?? WAIT_MS;
    const task = await client.wait(handle.id, { timeoutMs });
    showTask(out, task, io.now());
    return task.state === "completed" ? EXIT.ok : EXIT.no;
  },
};

const WAIT_MS = 60_000;

function readOptions(args: Arguments, io: Io): SubmitOptions {
  const metadata = text(args, "metadata");
  const options = {
    queue: text(args, "queue"),
    priority: oneOf(args, "priority", PRIORITIES),
    expiresInMs: duration(args, "expires-in"),
    expiresAt: time(args, "expires-at"),
    uniqueKey: text(args, "unique-key"),
    uniqueForMs: duration(args, "unique-for"),
    uniqueConflict: oneOf(args, "unique-conflict", CONFLICTS),
    group: text(args, "group"),
    requiredLabels: args["require"] === undefined ? undefined : texts(args, "require"),
    dependsOn: args["after"] === undefined ? undefined : texts(args, "after"),
    onParentFailure: oneOf(args, "on-parent-failure", FAILURES),
    delayMs: duration(args, "delay"),
    runAt: time(args, "run-at"),
    maxRetries: whole(args, "max-retries", 0, MAX_RETRIES_MAX),
    timeoutMs: duration(args, "run-timeout"),
    idempotencyKey: text(args, "idempotency-key"),
    id: text(args, "id"),
    tags: args["tag"] === undefined ? undefined : texts(args, "tag"),
    metadata: metadata === undefined ? undefined : readObject(jsonOf(metadata, "metadata", io)),
  };
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as SubmitOptions;
}

function readObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw wrong("metadata", JSON.stringify(value), "a JSON object");
}
