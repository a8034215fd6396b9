/** `tq-admin export [FILE]`: queues and tasks as JSON lines, to be imported elsewhere. */
import type { Command, Context } from "../command.ts";
import { CliError, EXIT } from "../exit-status.ts";
import { ProgressLine, progressBar } from "../output/progress.ts";
import { hasEnded } from "../task-view.ts";
import { ExportFile } from "../transfer/export-file.ts";
import { writeHead, writeTasks } from "../transfer/exporter.ts";
import {
  type EndLine,
  type ExportFilter,
  FORMAT,
  FORMAT_VERSION,
  type Header,
  type PageLine,
} from "../transfer/format.ts";
import { flagged, text } from "../values.ts";
import { readStatus, STATUSES } from "./list.ts";

const STDOUT = "-";
/** A page with payloads of a cluster at work may take longer than other answers. */
const TIMEOUT_MS = 60_000;

export const exportTasks: Command = {
  usage: "export [file]",
  summary: "Write queues and tasks to a file, for another cluster",
  examples: [
    ["tq-admin export tasks.jsonl", "all that has not ended, with the settings of queues"],
    ["tq-admin export --resume tasks.jsonl", "go on with one that was broken off"],
    ["tq-admin export --finished | gzip > all.jsonl.gz", "the history too, to standard output"],
  ],
  timeoutMs: () => TIMEOUT_MS,
  arguments: (parser) =>
    parser
      .positional("file", { type: "string", describe: "A new file, or - [standard output]" })
      .option("queue", { type: "string", describe: "Of this queue" })
      .option("status", { type: "string", choices: STATUSES, describe: "In this state" })
      .option("finished", { type: "boolean", describe: "Those that have ended, too" })
      .option("resume", { type: "boolean", describe: "Go on with the file" })
      .epilogue("The file is readable for its owner alone. See docs/moving-data.md."),
  async run(context) {
    const { args } = context;
    // The parser makes an empty text of a lone dash.
    const path = text(args, "file") || STDOUT;
    if (flagged(args, "resume")) return resume(context, path);
    const filter = filterOf(context);
    // Unknown, it is a mistake rather than an empty file.
    if (filter.queue !== undefined) await context.client.queue(filter.queue).get();
    const { cluster_id, applied_index } = await context.client.cluster();
    const header: Header = {
      kind: "header",
      format: FORMAT,
      version: FORMAT_VERSION,
      cluster_id,
      exported_at: new Date(context.io.now()).toISOString(),
      index: applied_index,
      filter,
    };
    const toStdout = path === STDOUT;
    const file = toStdout ? ExportFile.toStdout(context.io) : await ExportFile.create(path);
    return write(context, file, header, undefined, toStdout);
  },
};

async function resume(context: Context, path: string): Promise<number> {
  const { args, client, out } = context;
  if (path === STDOUT) throw new CliError(EXIT.usage, "--resume needs the file to go on with");
  const filters = ["queue", "status", "finished"].filter((name) => args[name] !== undefined);
  if (filters.length > 0) {
    throw new CliError(EXIT.usage, `--${filters[0]}: with --resume the file says what is in it`);
  }
  const begun = await ExportFile.resume(path, (await client.cluster()).cluster_id);
  if (begun === undefined) {
    out.done({ file: path, resumed: false }, `${path} is whole already`);
    return EXIT.ok;
  }
  return write(context, begun.file, begun.header, begun.page, false);
}

async function write(
  context: Context,
  file: ExportFile,
  header: Header,
  from: PageLine | undefined,
  toStdout: boolean,
): Promise<number> {
  const { client, io, out } = context;
  const progress = new ProgressLine(io);
  try {
    const total = await totalOf(context, header.filter);
    if (from === undefined) await writeHead(client, file, header);
    await writeTasks(client, file, header, from?.next ?? null, (tasks) => {
      progress.draw(total === undefined ? `${tasks} tasks` : progressBar(tasks, total));
    });
    const end = await file.end();
    progress.clear();
    // What goes to standard output is the export itself.
    if (toStdout) io.stderr(`${sentence(end)}\n`);
    else out.done({ ...figures(end) }, sentence(end));
    return EXIT.ok;
  } catch (error) {
    progress.clear();
    if (!toStdout) io.stderr("tq-admin: the export was broken off; --resume goes on with it\n");
    throw error;
  } finally {
    await file.close();
  }
}

function filterOf({ args }: Context): ExportFilter {
  const queue = text(args, "queue");
  const status = readStatus(text(args, "status"));
  const ended = status === "failed" || status === "dead_letter" || hasEnded(status ?? "");
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(status === undefined ? {} : { status }),
    finished: flagged(args, "finished") || ended,
  };
}

/** How many there are about now; undefined where the counters of queues do not say it. */
async function totalOf(
  { client }: Context,
  { queue, status, finished }: ExportFilter,
): Promise<number | undefined> {
  if (status !== undefined) return undefined;
  let total = 0;
  for (const { name, counts } of await client.queues()) {
    if (queue !== undefined && queue !== name) continue;
    for (const [state, count] of Object.entries(counts)) {
      if (finished || !hasEnded(state)) total += count ?? 0;
    }
  }
  return total;
}

function figures({ kind: _, ...rest }: EndLine): Omit<EndLine, "kind"> {
  return rest;
}

function sentence({ queues, live, finished }: EndLine): string {
  const ended = finished === 0 ? "" : `, ${finished} that had ended`;
  return `${live} tasks exported${ended}, settings of ${queues} queues`;
}
