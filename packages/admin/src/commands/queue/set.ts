/**
 * `tq-admin queue set NAME`: changes some settings and leaves the others as they are, or replaces
 * all of them by those of a file. Compare-and-set: what somebody else has said meanwhile is not
 * undone.
 */
import { type QueueJson, type QueueSettings, TqError } from "task-queue-client";
import type { Arguments, Command } from "../../command.ts";
import { CliError, EXIT } from "../../exit-status.ts";
import { duration, jsonOf, text, texts, whole, wrong } from "../../values.ts";
import { queueName, withQueue } from "./get.ts";
import { showQueue } from "./view.ts";

const NUMBER_MAX = 1_000_000_000_000;
const WEIGHT_MAX = 1_000;
const RETRIES_MAX = 1_000;

type Settings = NonNullable<QueueJson["settings"]>;

export const queueSet: Command = {
  usage: "set <queue>",
  summary: "Change settings of a queue; it is made if it is not there",
  examples: [
    ["tq-admin queue set mail --concurrency 20 --weight 3", "the other settings stay"],
    ["tq-admin queue set mail --retention 2d --dead-retention 30d", "how long tasks are kept"],
    ["tq-admin queue set mail --settings @mail.json", "all settings are those of the file"],
  ],
  arguments: (parser) =>
    withQueue(parser)
      .option("settings", { type: "string", describe: "All of them: JSON, @FILE or -" })
      .option("depth-limit", { type: "string", describe: "Unfinished tasks at most; 0 = default" })
      .option("ttl", { type: "string", describe: "Tasks expire after, as in 1h; 0 = never" })
      .option("max-retries", { type: "string", describe: "Of tasks that say nothing of it" })
      .option("concurrency", { type: "string", describe: "Running tasks at most; 0 = no limit" })
      .option("key-concurrency", { type: "string", describe: "The same of each group" })
      .option("weight", { type: "string", describe: "Its share against other queues" })
      .option("group-weight", { type: "string", array: true, describe: "GROUP=WEIGHT" })
      .option("dead-letter-queue", {
        type: "string",
        describe: 'Where dead tasks go; "" = nowhere',
      })
      .option("retention", { type: "string", describe: "Finished tasks are kept for, as in 7d" })
      .option("dead-retention", { type: "string", describe: "The same of dead ones; 0 = for ever" })
      .option("keep-count", { type: "string", describe: "Finished tasks kept at most" })
      .option("keep-bytes", { type: "string", describe: "Bytes of them at most" })
      .option("result-retention", { type: "string", describe: "Results are kept for" })
      .option("log-retention", { type: "string", describe: "Log lines are kept for" }),
  async run({ client, io, out, args }) {
    const queue = client.queue(queueName(args));
    const file = text(args, "settings");
    if (file !== undefined) {
      showQueue(out, await queue.set(settingsOf(jsonOf(file, "settings", io))));
      return EXIT.ok;
    }
    const before = await queue.get().catch(nothingYet);
    const settings = merged(before?.settings, args);
    showQueue(out, await queue.set(settings, { ifRevision: before?.revision ?? 0 }));
    return EXIT.ok;
  },
};

function settingsOf(value: unknown): QueueSettings {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new CliError(EXIT.data, "--settings: a JSON object is expected");
}

function nothingYet(error: unknown): undefined {
  if (error instanceof TqError && error.code === "not_found") return undefined;
  throw error;
}

function merged(before: Settings | undefined, args: Arguments): QueueSettings {
  const count = (name: string) => whole(args, name, 0, NUMBER_MAX);
  const own = given({
    depth_limit: count("depth-limit"),
    default_ttl_ms: duration(args, "ttl"),
    concurrency: count("concurrency"),
    key_concurrency: count("key-concurrency"),
    weight: whole(args, "weight", 1, WEIGHT_MAX),
    dead_letter_queue: text(args, "dead-letter-queue"),
  });
  const retry = given({ max_retries: whole(args, "max-retries", 0, RETRIES_MAX) });
  const groups = groupWeights(texts(args, "group-weight"));
  const retention = given({
    age_ms: duration(args, "retention"),
    dead_age_ms: duration(args, "dead-retention"),
    count: count("keep-count"),
    bytes: count("keep-bytes"),
    result_age_ms: duration(args, "result-retention"),
    log_age_ms: duration(args, "log-retention"),
  });
  const parts: readonly object[] = [own, retry, groups, retention];
  if (parts.every((part) => Object.keys(part).length === 0)) {
    throw new CliError(EXIT.usage, "nothing to change; name a setting, as in --concurrency 20");
  }
  return {
    ...before,
    ...own,
    retry: { ...before?.retry, ...retry },
    group_weights: { ...before?.group_weights, ...groups },
    retention: { ...before?.retention, ...retention },
  };
}

function given<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> };
}

function groupWeights(pairs: readonly string[]): Record<string, number> {
  const weights = pairs.map((pair) => {
    const at = pair.lastIndexOf("=");
    const weight = whole({ "group-weight": pair.slice(at + 1) }, "group-weight", 1, WEIGHT_MAX);
    if (at < 1 || weight === undefined) throw wrong("group-weight", pair, "GROUP=WEIGHT");
    return [pair.slice(0, at), weight] as const;
  });
  return Object.fromEntries(weights);
}
