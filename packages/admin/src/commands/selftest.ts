/** `tq-admin selftest`: breaks a cluster of its own, and says whether anything was lost. */
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Arguments, Command, Context } from "../command.ts";
import { CliError, EXIT } from "../exit-status.ts";
import { ProgressLine } from "../output/progress.ts";
import { RATE, RATE_MAX, SECONDS, SECONDS_MAX, SECONDS_MIN } from "../selftest/limits.ts";
import { type Report, selftest as runSelftest } from "../selftest/selftest.ts";
import { Interrupted } from "../selftest/trial-cluster.ts";
import { text, whole } from "../values.ts";

const OWNER_ONLY = 0o700;

export const selftest: Command = {
  usage: "selftest",
  summary: "Start a cluster of its own, break it under load, and check that nothing was lost",
  examples: [
    ["tq-admin selftest", "on a new machine, before anything else"],
    ["tq-admin selftest --seconds 120 --keep ./selftest", "longer, and its data and logs stay"],
    ["tq-admin selftest -o json | jq -e .passed", "in a pipeline"],
  ],
  arguments: (parser) =>
    parser
      .option("seconds", { type: "string", describe: `How long it is under load [${SECONDS}]` })
      .option("rate", { type: "string", describe: `Tasks submitted a second [${RATE}]` })
      .option("keep", { type: "string", describe: "Keep data and logs in this new folder" })
      .epilogue(
        "Three brokers run on free ports of 127.0.0.1, with their data in a temporary\n" +
          "folder; no other cluster is touched. One is killed, one frozen, one restarted, and\n" +
          "leadership is handed over. Exit status: 0 when all is as promised, 1 when not; then\n" +
          "the folder stays.",
      ),
  async run(context) {
    const seconds = whole(context.args, "seconds", SECONDS_MIN, SECONDS_MAX) ?? SECONDS;
    const perSecond = whole(context.args, "rate", 1, RATE_MAX) ?? RATE;
    const { folder, isKept } = await folderOf(context.args);
    let isWanted = isKept;
    try {
      const report = await watched(context, { folder, seconds, perSecond });
      isWanted = isKept || !report.passed;
      show(context, report, isWanted ? folder : undefined);
      return report.passed ? EXIT.ok : EXIT.no;
    } catch (error) {
      if (error instanceof Interrupted) {
        throw new CliError(EXIT.temporary, "interrupted; nothing was found out");
      }
      isWanted = true;
      if (error instanceof CliError) context.io.stderr(`tq-admin: logs are in ${folder}\n`);
      throw error;
    } finally {
      if (!isWanted) await rm(folder, { recursive: true, force: true });
    }
  },
};

async function watched(
  { io }: Context,
  options: { readonly folder: string; readonly seconds: number; readonly perSecond: number },
): Promise<Report> {
  const progress = new ProgressLine(io);
  const signal = io.interrupted(["SIGINT", "SIGTERM", "SIGHUP"]);
  const onProgress = (what: string): void => progress.draw(what);
  try {
    return await runSelftest(io, { ...options, signal, onProgress });
  } finally {
    progress.clear();
  }
}

async function folderOf(args: Arguments) {
  const given = text(args, "keep");
  if (given === undefined) {
    return { folder: await mkdtemp(join(tmpdir(), "tq-selftest-")), isKept: false };
  }
  const folder = resolve(given);
  try {
    await mkdir(folder, { recursive: true, mode: OWNER_ONLY });
    if ((await readdir(folder)).length === 0) return { folder, isKept: true };
  } catch (cause) {
    throw new CliError(EXIT.notFound, `--keep: ${(cause as Error).message}`, cause);
  }
  throw new CliError(EXIT.usage, `--keep: ${folder} is not empty; name a new folder`);
}

function show({ out }: Context, report: Report, folder: string | undefined): void {
  const { passed, seconds, steps, load, checks } = report;
  const { submitted, acknowledged, unanswered, runs, longestPause } = load;
  const kept = folder === undefined ? {} : { folder };
  const { longestPause: longest_pause_ms, ...counts } = load;
  const value = { passed, seconds, steps, load: { ...counts, longest_pause_ms }, checks, ...kept };
  out.item(value, () => [
    ["verdict", passed ? "passed: nothing was lost" : "FAILED: it is not as promised"],
    ["submitted", `${submitted} tasks in ${seconds} s, ${unanswered} of them without an answer`],
    ["acknowledged", `${acknowledged}, with a longest pause of ${longestPause} ms`],
    ["runs", `${runs}; a task whose worker was cut off may have more than one`],
    ...(folder === undefined ? [] : [["data and logs", folder] as const]),
  ]);
  out.table(steps, [
    { title: "STEP", text: ({ step }) => step },
    { title: "WHAT HAPPENED", text: ({ detail }) => detail },
  ]);
  out.table(checks, [
    { title: "CHECK", text: ({ check }) => check },
    { title: "PASSED", text: (each) => (each.passed ? "yes" : "NO") },
    { title: "FOUND", text: ({ detail }) => detail },
  ]);
}
