/** `tq-admin import FILE`: makes the tasks of an export in this cluster, each of them once. */

import { TqError } from "task-queue-client";
import type { Arguments, Command, Context } from "../command.ts";
import { CliError, EXIT, explain } from "../exit-status.ts";
import { ProgressLine, progressBar } from "../output/progress.ts";
import { printable } from "../output/table.ts";
import { parsedLine } from "../transfer/export-file.ts";
import { type CheckedFile, checkFile } from "../transfer/file-check.ts";
import type { QueueLine } from "../transfer/format.ts";
import { ImportIds, KEPT_MS } from "../transfer/import-ids.ts";
import { beginning, Importer, ImportStopped } from "../transfer/importer.ts";
import { Journal, type Progress } from "../transfer/journal.ts";
import { readLines, START } from "../transfer/line-reader.ts";
import { flagged, text, texts, wrong } from "../values.ts";
import { queueName } from "./queue/get.ts";

/** The version of the cluster since which tasks say how their waits grow. */
const BACKOFFS_SINCE = 3;
const TIMEOUT_MS = 60_000;
/** Named, to be refused; the parser makes an empty text of a lone dash. */
const STDIN = "-";
const OPEN_QUEUES = "its queues have no expiry and no depth limit of their own";

/** New names of queues, by their old ones. */
type Names = ReadonlyMap<string, string>;

export const importTasks: Command = {
  usage: "import <file>",
  summary: "Make the tasks of an exported file in this cluster",
  examples: [
    ["tq-admin import tasks.jsonl --dry-run", "check the file, and count"],
    ["tq-admin import tasks.jsonl --map-queue mail=post", "into another queue"],
    ["tq-admin import tasks.jsonl --resume", "go on where it was broken off"],
  ],
  timeoutMs: () => TIMEOUT_MS,
  arguments: (parser) =>
    parser
      .positional("file", { type: "string", describe: "Of tq-admin export", demandOption: true })
      .option("dry-run", { type: "boolean", describe: "Check and count, change nothing" })
      .option("resume", { type: "boolean", describe: "Skip what the last run has done" })
      .option("map-queue", { type: "string", array: true, describe: "A=B: queue A becomes B" })
      .option("settings", {
        type: "boolean",
        default: true,
        describe: "Settings of queues, too; --no-settings leaves them",
      })
      .option("skip-expired", { type: "boolean", describe: "Expired tasks are no fault" })
      .epilogue(
        "The same file imported twice makes nothing twice. Beside it stands how far it was\n" +
          "imported: keep that file. Exit status 1: some tasks were refused, have expired, or\n" +
          "had been made before and are over.",
      ),
  async run(context) {
    const { io, args } = context;
    const names = readNames(args);
    const progress = new ProgressLine(io);
    let importer: Importer | undefined;
    try {
      const file = await checkNamed(text(args, "file") || STDIN, names, progress);
      const begun = await begin(context, file, names);
      importer = begun.importer;
      await importAll(importer, file, begun.from, args["settings"] !== false, (at) => {
        progress.draw(progressBar(at, file.bytes));
      });
    } catch (cause) {
      progress.clear();
      if (importer === undefined) throw cause;
      throw stopped(context, importer, cause);
    }
    progress.clear();
    tell(context, importer);
    return summary(context, importer);
  },
};

/** Throws status 64 when a queue that is to have another name is not in the file. */
async function checkNamed(path: string, names: Names, progress: ProgressLine) {
  const missing = new Set(names.keys());
  const file = await checkFile(path, (line, read, total) => {
    if (line.kind === "queue") {
      missing.delete(line.name);
      missing.delete(String(line.settings.dead_letter_queue));
    } else if (line.kind === "task") missing.delete(line.submit.queue ?? "default");
    progress.draw(`checking ${progressBar(read, total)}`);
  });
  const [name] = missing;
  if (name === undefined) return file;
  throw new CliError(EXIT.usage, `--map-queue: nothing in ${path} is in a queue ${name}`);
}

async function begin({ client, io, args }: Context, file: CheckedFile, names: Names) {
  const { cluster_id, cluster_version } = await client.cluster();
  const journal = new Journal(file.path, cluster_id);
  const from = await readBegun(file, journal, io.now(), names, flagged(args, "resume"));
  const isDry = flagged(args, "dry-run");
  // What ids follow from is on disk before the first of them is used.
  if (!isDry) await journal.write(from);
  const importer = new Importer({
    target: client,
    file,
    wording: {
      ids: new ImportIds(from.at, cluster_id === file.header.cluster_id),
      nameOf: (queue) => names.get(queue) ?? queue,
      saysBackoff: cluster_version >= BACKOFFS_SINCE,
    },
    begun: from,
    now: io.now,
    journal: isDry ? undefined : journal,
  });
  return { importer, from };
}

/** What is thrown when it ends before its end. */
function stopped(context: Context, importer: Importer, cause: unknown): unknown {
  const isLater = cause instanceof TqError && cause.retryable;
  if (!(cause instanceof ImportStopped) && !isLater) return cause;
  tell(context, importer);
  const { status, message } = cause instanceof ImportStopped ? cause : explain(cause);
  const queues = context.args["settings"] === false ? "" : `; until then ${OPEN_QUEUES}`;
  const advice = `${importer.tally.made} tasks are made; import --resume goes on${queues}`;
  return new CliError(status, `${printable(message)}; ${advice}`, cause);
}

async function importAll(
  importer: Importer,
  file: CheckedFile,
  { place: from, left }: Progress,
  withSettings: boolean,
  onLine: (at: number) => void,
): Promise<void> {
  let end = from;
  for await (const line of readLines(file.path, left.length > 0 ? START : from)) {
    end = { number: line.number, end: line.end };
    if (!importer.wants(line.number)) continue;
    const parsed = parsedLine(file.path, line);
    if (parsed.kind === "task") await importer.add(parsed, line.text.length, end);
    else if (parsed.kind === "queue" && withSettings) await importer.openQueue(parsed, line.number);
    onLine(line.end);
  }
  await importer.finish(end);
  if (!withSettings) return;
  for await (const { line, number } of queuesOf(file.path)) await importer.closeQueue(line, number);
  await importer.settle(end);
}

/** Queues come before all tasks. */
async function* queuesOf(path: string): AsyncGenerator<{ line: QueueLine; number: number }> {
  for await (const line of readLines(path)) {
    const parsed = parsedLine(path, line);
    if (parsed.kind === "queue") yield { line: parsed, number: line.number };
    else if (parsed.kind !== "header") return;
  }
}

/**
 * Ids follow from the time of the first import. That of a young export stands in the export, so
 * that they are the same wherever it is imported from; for an old one the journal remembers it.
 */
async function readBegun(
  { header, end: { sha256 } }: CheckedFile,
  journal: Journal,
  now: number,
  map: Names,
  resume: boolean,
): Promise<Progress> {
  const found = await journal.read(sha256);
  const names = Object.fromEntries([...map].sort());
  const isSame = found !== undefined && JSON.stringify(found.names) === JSON.stringify(names);
  if (resume && found !== undefined) {
    if (isSame) return found;
    const pairs = Object.entries(found.names).map(([from, to]) => `${from}=${to}`);
    const was = pairs.length === 0 ? "none" : pairs.join(", ");
    throw new CliError(EXIT.usage, `--resume needs the --map-queue of the import: ${was}`);
  }
  const exportedAt = Date.parse(header.exported_at);
  const isYoung = Math.abs(now - exportedAt) < KEPT_MS;
  const at = found?.at ?? (isYoung ? exportedAt : now);
  return beginning({ sha256, at, names, settled: isSame && found.settled }, START);
}

function readNames(args: Arguments): Names {
  const names = new Map<string, string>();
  for (const pair of texts(args, "map-queue")) {
    const [from, to, ...rest] = pair.split("=");
    if (!from || !to || rest.length > 0) throw wrong("map-queue", pair, "OLD=NEW, two queues");
    if (names.has(from)) throw wrong("map-queue", pair, `needed: ${from} has a new name already`);
    names.set(from, queueName({ queue: to }));
  }
  return names;
}

function tell({ io }: Context, { told, tally }: Importer): void {
  for (const line of told) io.stderr(`tq-admin: ${line}\n`);
  const more = tally.refused + tally.queues_refused - told.length;
  if (told.length > 0 && more > 0) io.stderr(`tq-admin: and ${more} more were refused\n`);
}

function summary({ out, args }: Context, { tally }: Importer): number {
  const { made, duplicate, ended, known, refused, queues_refused, expired, finished } = tally;
  const over = [
    ...(expired > 0 ? [`${expired} passed over because their expiry is over`] : []),
    ...(finished > 0 ? [`${finished} passed over because they had ended`] : []),
  ];
  const isFault = expired > 0 && !flagged(args, "skip-expired");
  if (flagged(args, "dry-run")) {
    // What the cluster has already, or would refuse, only the cluster knows.
    const figures = { made, expired, finished, dry_run: true };
    out.done(figures, [`${made} tasks would be sent`, ...over].join(", "));
    return isFault ? EXIT.no : EXIT.ok;
  }
  const parts = [
    `${made} tasks made`,
    `${duplicate} had been made before`,
    ...(ended > 0 ? [`${ended} had been made before and have ended or are deleted`] : []),
    ...(known > 0 ? [`${known} known here, with other content`] : []),
    `${refused} refused`,
    ...(queues_refused > 0 ? [`settings of ${queues_refused} queues refused`] : []),
    ...over,
  ];
  out.done({ ...tally, dry_run: false }, parts.join(", "));
  return refused + queues_refused + ended > 0 || isFault ? EXIT.no : EXIT.ok;
}
