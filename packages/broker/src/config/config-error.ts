/**
 * Why a broker does not start: everything that is wrong with its settings at once, a line each, so
 * that one round of corrections is enough. Wrong flags are `UsageError`, for their exit status
 * differs.
 */

/** One wrong setting: where it stands, its key, what is wrong with it and what is allowed. */
export interface ConfigProblem {
  /** `config.yaml:12`, `environment TQ_BROKER__PORT`, `flag --rest-port`; empty = nowhere said. */
  readonly where: string;
  /** `broker.port`; empty when the problem is not one of a key. */
  readonly key: string;
  readonly message: string;
}

export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** `EX_CONFIG` of sysexits. */
  readonly exitStatus = 78;
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(problemToText).join("\n"));
    this.problems = problems;
  }
}

export class UsageError extends Error {
  override readonly name = "UsageError";
  /** `EX_USAGE` of sysexits. */
  readonly exitStatus = 64;
}

function problemToText(problem: ConfigProblem): string {
  return [problem.where, problem.key, problem.message].filter((part) => part !== "").join(": ");
}
