/**
 * The program `tq-broker` of this machine, asked about what only it knows: what a file of settings
 * must say is a matter of its version. It is looked for beside this program, where one package or
 * folder has both, and then on the PATH.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { CliError, EXIT } from "./exit-status.ts";

export interface ProgramAnswer {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const NAME = "tq-broker";
/** It reads one file and ends. */
const ANSWER_MS_MAX = 30_000;

/** Without this shell's variables, which are not those of the broker's service. */
export function askBrokerProgram(args: readonly string[]): ProgramAnswer {
  const beside = join(dirname(process.argv[1] ?? ""), NAME);
  const program = existsSync(beside) ? beside : NAME;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    env: { PATH: process.env["PATH"] },
    encoding: "utf8",
    timeout: ANSWER_MS_MAX,
  });
  if (error === undefined) return { status: status ?? EXIT.internal, stdout, stderr };
  const fix = "it is part of the package task-queue-broker, and must be on the PATH";
  throw new CliError(EXIT.unavailable, `cannot run ${program} (${error.message}); ${fix}`, error);
}
