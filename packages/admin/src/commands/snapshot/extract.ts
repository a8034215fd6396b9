/**
 * `tq-admin snapshot extract FILE`: the tasks of a backup in the format of an export, so that a few
 * of them can be had back without restoring all of it. No broker is asked.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nearest, TASK_STATE_NAMES, type TaskStateName } from "task-queue-protocol";
import type { Command, Context } from "../../command.ts";
import { CliError, EXIT } from "../../exit-status.ts";
import { ProgressLine, progressBar } from "../../output/progress.ts";
import { keyOf, withFiles } from "../../snapshot-file.ts";
import { ExportFile } from "../../transfer/export-file.ts";
import { writeHead } from "../../transfer/exporter.ts";
import { type EndLine, FORMAT, FORMAT_VERSION, type Header } from "../../transfer/format.ts";
import { LiveParents } from "../../transfer/live-parents.ts";
import { toTaskLine } from "../../transfer/task-line.ts";
import { oneOf, text } from "../../values.ts";

type Backup = Parameters<Parameters<typeof withFiles>[1]>[0];
type Archive = Awaited<ReturnType<Backup["Archive"]["open"]>>;

interface Filter {
  readonly queue: string | undefined;
  readonly state: TaskStateName | undefined;
}

export const extractSnapshot: Command = {
  usage: "extract <file>",
  summary: "Write the tasks of a backup to standard output, in the format of an export",
  examples: [
    ["tq-admin snapshot extract snapshot-20260131 --queue mail > mail.jsonl", "to be imported"],
    ["tq-admin snapshot extract snapshot-20260131 --state dead | jq .submit", "what was dead"],
  ],
  arguments: (parser) =>
    parser
      .positional("file", { type: "string", demandOption: true, describe: "A backup" })
      .option("queue", { type: "string", describe: "Of this queue" })
      .option("state", {
        alias: "status",
        type: "string",
        choices: TASK_STATE_NAMES,
        describe: "In this state",
      })
      .option("key-file", { type: "string", describe: "The key it was encrypted with" })
      .epilogue(
        "All of the file is checked before the first line is written. Meanwhile its records\n" +
          "stand in a folder of their own, unencrypted, in the folder for temporary files\n" +
          "(TMPDIR).",
      ),
  async run(context) {
    const { args, io } = context;
    const filter = { queue: text(args, "queue"), state: oneOf(args, "state", TASK_STATE_NAMES) };
    const signal = io.interrupted(["SIGINT", "SIGTERM", "SIGHUP"]);
    const folder = await mkdtemp(join(tmpdir(), "tq-extract-"));
    try {
      const end = await extract(context, filter, folder, signal);
      const ended = end.finished === 0 ? "" : `, ${end.finished} that had ended`;
      io.stderr(`${end.live} tasks extracted${ended}, settings of ${end.queues} queues\n`);
      return EXIT.ok;
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new CliError(EXIT.temporary, "interrupted; what was written is not whole", error);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function extract(
  { args, io }: Context,
  filter: Filter,
  folder: string,
  signal: AbortSignal,
): Promise<EndLine> {
  const path = text(args, "file") ?? "";
  const progress = new ProgressLine(io);
  return await withFiles(path, async (backup) => {
    const onRecords = (done: number, all: number): void => progress.draw(progressBar(done, all));
    const key = await keyOf(backup, args);
    try {
      const archive = await backup.Archive.open(path, { key, folder, signal, onRecords });
      progress.clear();
      try {
        refuseUnknown(archive, path, filter.queue);
        return await write(archive, ExportFile.toStdout(io), filter);
      } finally {
        await archive.close();
      }
    } finally {
      progress.clear();
    }
  });
}

/** A queue that is not in it is a mistake rather than an empty file. */
function refuseUnknown(archive: Archive, path: string, queue: string | undefined): void {
  const names = archive.queues().map(({ name }) => name);
  if (queue === undefined || names.includes(queue)) return;
  const guess = nearest(queue, names);
  const hint = guess === undefined ? "" : `; did you mean "${guess}"?`;
  throw new CliError(EXIT.notFound, `--queue: there is no queue "${queue}" in ${path}${hint}`);
}

async function write(archive: Archive, file: ExportFile, filter: Filter): Promise<EndLine> {
  const { cluster_id, created_at, index } = archive.header;
  const { queue, state } = filter;
  const header: Header = {
    kind: "header",
    format: FORMAT,
    version: FORMAT_VERSION,
    cluster_id,
    // How they stood when the backup was taken.
    exported_at: created_at,
    index,
    filter: {
      ...(queue === undefined ? {} : { queue }),
      ...(state === undefined ? {} : { status: state }),
      finished: true,
    },
  };
  await writeHead(archive, file, header);
  const parents = new LiveParents(archive);
  const now = Date.parse(created_at);
  for await (const tasks of archive.tasks(filter)) {
    const lines = tasks.map(async (task) => toTaskLine(task, await parents.of(task), now));
    await file.add(await Promise.all(lines));
  }
  return await file.end();
}
