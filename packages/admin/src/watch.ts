/**
 * `--watch`: the same verb again and again, drawn over what it showed before, until Ctrl-C, which
 * is no failure. A cluster that does not answer for a while is what one watches for: it is shown,
 * and does not end the watch. For a terminal only; a program wants one answer, or `events`.
 */
import { TqError } from "task-queue-client";
import type { Arguments, Command, Context } from "./command.ts";
import { CliError, EXIT, explain } from "./exit-status.ts";
import { unlessAborted } from "./interruptible.ts";
import { Output } from "./output/output.ts";
import { printableLines } from "./output/table.ts";
import { duration, wrong } from "./values.ts";

const EVERY_MS = 2_000;
const EVERY_MS_MIN = 100;
/** To the upper left; the lines clear themselves, and then the rest, so that nothing flickers. */
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

/** Answers 0 once it was interrupted. */
export async function watchVerb(command: Command, context: Context): Promise<number> {
  const { io, out, args } = context;
  const everyMs = intervalOf(args);
  if (!io.isTerminal || out.format !== "table") {
    throw new CliError(
      EXIT.usage,
      "--watch draws a table on a terminal; leave out -o and the pipe",
    );
  }
  const signal = io.interrupted();
  while (!signal.aborted) {
    const shown = await unlessAborted(once(command, context), signal);
    if (shown === undefined) break;
    io.stdout(screenOf(shown, io.rows(), `every ${everyMs / 1_000}s; Ctrl-C ends it`));
    await io.sleep(everyMs, signal);
  }
  return EXIT.ok;
}

/** What the verb shows now, or why it cannot. */
async function once(command: Command, context: Context): Promise<string> {
  const parts: string[] = [];
  const take = (text: string): void => void parts.push(text);
  try {
    const io = { ...context.io, stderr: take };
    const out = new Output("table", take);
    const { client, connect, dial, args, verbs, timeoutMs } = context;
    await command.run({ client, connect, dial, io, out, args, verbs, timeoutMs });
  } catch (error) {
    if (!(error instanceof TqError)) throw error;
    take(`${printableLines(explain(error).message)}\n`);
  }
  return parts.join("");
}

function screenOf(text: string, rows: number, title: string): string {
  const lines = text.trimEnd().split("\n");
  // The title, and the line on which the cursor stays.
  const room = Math.max(1, rows - 2);
  const cut = lines.length > room;
  const shown = cut ? [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more`] : lines;
  const drawn = [title, ...shown].map((line) => `${line}${CLEAR_LINE}\n`);
  return `${HOME}${drawn.join("")}${CLEAR_BELOW}`;
}

function intervalOf(args: Arguments): number {
  if (args["watch"] === "") return EVERY_MS;
  const everyMs = duration(args, "watch") ?? EVERY_MS;
  if (everyMs >= EVERY_MS_MIN) return everyMs;
  throw wrong("watch", String(args["watch"]), `${EVERY_MS_MIN}ms or more`);
}
