/**
 * Many dead tasks at once: `tq-admin dlq retry --all|--type|--error`, `dlq groups`, `dlq purge`.
 * The leader does it; breaking off here stops the looking on, not the job.
 */
import type { ErrorGroupJson, JobFilter, JobOptions } from "task-queue-client";
import type { Argv } from "yargs";
import type { Arguments, Command, Context } from "../command.ts";
import { confirm } from "../confirm.ts";
import { CliError, EXIT } from "../exit-status.ts";
import { endOf, followJob } from "../job-view.ts";
import { formatAge } from "../output/words.ts";
import { flagged, text, whole } from "../values.ts";

const FILTERS = ["queue", "type", "tag", "error"] as const;
export const RATE_MAX = 1_000_000;
const PAGE_MAX = 1_000;
/** A change of millions of tasks takes its time. */
export const JOB_TIMEOUT_MS = 24 * 60 * 60 * 1_000;

export const dlqGroups: Command = {
  usage: "groups",
  summary: "Show what dead tasks died of, and how many of each",
  examples: [["tq-admin dlq retry --error FINGERPRINT", "start all of one group again"]],
  arguments: (parser) => parser,
  async run({ client, io, out }) {
    const groups: ErrorGroupJson[] = [];
    for (let after: string | undefined; ; ) {
      const page = await client.dead.groups({ limit: PAGE_MAX, ...(after ? { after } : {}) });
      groups.push(...page.groups);
      after = page.next;
      if (after === undefined) break;
    }
    groups.sort((a, b) => b.count - a.count);
    await out.list(groups, [
      { title: "ERROR", text: (group) => group.fingerprint },
      { title: "TASKS", align: "right", text: (group) => String(group.count) },
      { title: "TYPE", text: (group) => group.type },
      { title: "LAST", align: "right", text: ({ last_at }) => formatAge(last_at, io.now()) },
      { title: "MESSAGE", text: (group) => group.message },
    ]);
    return EXIT.ok;
  },
};

export const purgeDlq = purge("purge-dlq", "");
export const dlqPurge = purge("purge", "dlq ");

/** The same by two names. Before it asks it has counted what it would delete. */
function purge(verb: string, group: string): Command {
  return {
    usage: verb,
    summary: "Delete dead tasks for good",
    examples: [
      [`tq-admin ${group}${verb} --dry-run`, "how many there are"],
      [`tq-admin ${group}${verb} --queue mail --yes`, "in a script"],
    ],
    timeoutMs: () => JOB_TIMEOUT_MS,
    arguments: (parser) =>
      bulkOptions(parser).option("yes", { alias: "y", type: "boolean", describe: "Do not ask" }),
    async run(context) {
      const { client, args } = context;
      const options = jobOptions(args);
      const filter = { ...filterOf(args), status: "dead" } as const;
      let total = await totalOf(context);
      if (options.dryRun !== true && !flagged(args, "yes")) {
        const question = `Delete ${describe(args)} for good?`;
        if (context.io.canAsk) {
          const counting = await client.jobs.start("delete", filter, { dryRun: true });
          total = (await endOf(context, counting, total)).changed;
        }
        await confirm(context, context.io.canAsk ? `${question} There are ${total}.` : question);
      }
      return followJob(context, await client.jobs.start("delete", filter, options), total);
    },
  };
}

/** True: the command line speaks of many tasks, not of one. */
export function isBulk(args: Arguments): boolean {
  return flagged(args, "all") || FILTERS.some((name) => text(args, name) !== undefined);
}

export async function retryMany(context: Context): Promise<number> {
  const { client, args } = context;
  if (text(args, "id") !== undefined) {
    throw new CliError(EXIT.usage, "either the id of one task, or --all and filters, not both");
  }
  const total = await totalOf(context);
  const filter = { ...filterOf(args), status: "dead" } as const;
  return followJob(context, await client.jobs.start("retry", filter, jobOptions(args)), total);
}

export function bulkOptions(parser: Argv): Argv {
  return parser
    .option("queue", { type: "string", describe: "Of this queue" })
    .option("type", { type: "string", describe: "Of this type" })
    .option("tag", { type: "string", describe: "With this tag" })
    .option("error", { type: "string", describe: "With this error: see dlq groups" })
    .option("dry-run", { type: "boolean", describe: "Only count them" })
    .option("per-second", { type: "string", describe: "Tasks a second at most" });
}

function jobOptions(args: Arguments): JobOptions {
  return {
    ...(flagged(args, "dry-run") ? { dryRun: true } : {}),
    perSecond: whole(args, "per-second", 1, RATE_MAX),
  };
}

function filterOf(args: Arguments): JobFilter {
  const given = FILTERS.map((name) => [name, text(args, name)] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** How many there are, where the counters of queues say it. */
async function totalOf({ client, io, args }: Context): Promise<number | undefined> {
  const { queue, ...others } = filterOf(args);
  if (!io.isStderrTerminal || Object.keys(others).length > 0) return undefined;
  const queues = await client.queues();
  return queues
    .filter(({ name }) => queue === undefined || queue === name)
    .reduce((sum, { counts }) => sum + (counts.dead ?? 0), 0);
}

function describe(args: Arguments): string {
  const given = Object.entries(filterOf(args)).map(([name, value]) => `${name} ${value}`);
  return given.length === 0 ? "all dead tasks" : `the dead tasks of ${given.join(", ")}`;
}
