/** `tq-admin create-snapshot PATH`: a backup of the whole cluster, into a file on this machine. */
import { TqError } from "task-queue-client";
import type { Command, Context } from "../command.ts";
import { CliError, EXIT, unwritten } from "../exit-status.ts";
import { unlessAborted } from "../interruptible.ts";
import { ProgressLine } from "../output/progress.ts";
import { keyOf, withFiles } from "../snapshot-file.ts";
import { duration, flagged, text } from "../values.ts";

const STDOUT = "-";
/** A piece is read from the disk of a cluster at work. */
const TIMEOUT_MS = 60_000;
/** For a leader to be there at all, unless --timeout says another time. */
const LEADER_MS = 10_000;
const LEADER_ASK_MS = 250;
const NO_LEADER = "--stale takes what this broker has, without a leader";
/** The broker that had begun may go; others have the same. */
const ATTEMPTS_MAX = 3;
const MIB = 1024 ** 2;
const NEVER = new AbortController().signal;

export const createSnapshot: Command = {
  usage: "create-snapshot <path>",
  summary: "Write a backup of everything to a file, while the cluster works",
  examples: [
    ["tq-admin create-snapshot /backups/snapshot-20260131", "a file for its owner alone"],
    ["tq-admin create-snapshot - --key-file key | ssh store 'cat > s'", "encrypted"],
  ],
  timeoutMs: () => TIMEOUT_MS,
  arguments: (parser) =>
    parser
      .positional("path", { type: "string", demandOption: true, describe: "A new file, or -" })
      .option("force", { type: "boolean", describe: "Replace a file of that name" })
      .option("key-file", { type: "string", describe: "Encrypt it with the key in this file" })
      .option("stale", { type: "boolean", describe: "As this broker has it, without a leader" })
      .epilogue("Restore it with tq-broker --restore. See docs/backups.md."),
  async run(context) {
    const { args, io, out } = context;
    // The parser makes an empty text of a lone dash.
    const path = text(args, "path") || STDOUT;
    const { bytes, sha256 } = await withLeader(context, () => {
      return path === STDOUT ? toStdout(context) : toFile(context, path);
    });
    const sentence = `${bytes} bytes written to ${path}, SHA-256 ${sha256}`;
    // What goes to standard output is the snapshot itself.
    if (path === STDOUT) io.stderr(`${bytes} bytes written, SHA-256 ${sha256}\n`);
    else out.done({ file: path, bytes, sha256 }, sentence);
    return EXIT.ok;
  },
};

/** Whoever has no leader learns soon what else there is. */
async function withLeader<T>(context: Context, act: () => Promise<T>): Promise<T> {
  const { args } = context;
  if (flagged(args, "stale")) return await act();
  const ms = duration(args, "timeout") ?? LEADER_MS;
  const signal = AbortSignal.timeout(ms);
  const isLed = await unlessAborted(leaderThere(context, signal), signal);
  if (isLed !== true) {
    const text = `no leader within ${ms} ms; nothing was done; ${NO_LEADER}`;
    throw new CliError(EXIT.unavailable, text);
  }
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof TqError && error.code === "no_leader")) throw error;
    throw new CliError(EXIT.unavailable, `${error.code}: ${error.message}; ${NO_LEADER}`, error);
  }
}

async function leaderThere({ client, io }: Context, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const { leader_id } = await client.cluster();
    if (leader_id !== null) return true;
    await io.sleep(LEADER_ASK_MS, signal);
  }
  return false;
}

interface Written {
  readonly bytes: number;
  readonly sha256: string;
}

function toFile(context: Context, path: string): Promise<Written> {
  return withFiles(path, async (backup) => {
    const key = await keyOf(backup, context.args);
    const replace = flagged(context.args, "force");
    // Ended by it, the program would leave what it has written so far beside the file.
    const signal = context.io.interrupted();
    for (let attempt = 1; ; attempt++) {
      try {
        return await backup.writeBackup(path, download(context, signal), { key, replace });
      } catch (error) {
        const isGone = error instanceof TqError && error.code === "position_compacted";
        if (!isGone || attempt === ATTEMPTS_MAX) throw error;
        context.io.stderr(`tq-admin: ${error.message}; beginning anew\n`);
      }
    }
  });
}

/** What was written there cannot be taken back: there is one attempt. */
function toStdout(context: Context): Promise<Written> {
  const { args, io } = context;
  if (io.isTerminal) {
    throw new CliError(EXIT.usage, "a snapshot is no text for a terminal; name a file, or a pipe");
  }
  return withFiles("standard output", async (backup) => {
    const key = await keyOf(backup, args);
    const pieces = download(context, NEVER);
    let written = 0;
    const write = async (bytes: Uint8Array) => {
      await io.stdoutAll(bytes).catch((cause) => {
        throw unwritten("standard output", cause);
      });
      written += bytes.length;
    };
    const copied = key === undefined ? pieces : backup.seal(pieces, key);
    return await backup.copyBackup(copied, write).catch((error) => {
      throw written > 0 && error instanceof TqError ? brokenOff(error, written) : error;
    });
  });
}

/** Whoever reads has a part of a snapshot, though `no_leader` says that nothing was done. */
function brokenOff(error: TqError, bytes: number): CliError {
  const text = `broken off after ${bytes} bytes, which are no snapshot; drop them and begin anew`;
  return new CliError(EXIT.temporary, `${error.code}: ${text}`, error);
}

/** All of it, with a line that tells how far it is. */
async function* download(
  { client, io, args }: Context,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const progress = new ProgressLine(io);
  const pieces = client.snapshot({ stale: flagged(args, "stale") })[Symbol.asyncIterator]();
  let bytes = 0;
  try {
    for (;;) {
      const next = await unlessAborted(pieces.next(), signal);
      if (next === undefined) throw new CliError(EXIT.temporary, "interrupted; there is no file");
      if (next.done === true) return;
      yield next.value;
      bytes += next.value.length;
      progress.draw(`${(bytes / MIB).toFixed(1)} MB`);
    }
  } finally {
    progress.clear();
    // Not waited for: it may be in the middle of a question that nobody answers.
    pieces.return?.(undefined)?.catch(() => undefined);
  }
}
