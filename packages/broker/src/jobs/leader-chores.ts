/** All that a broker does of its own accord while it leads, put together. */
import type { LocalBroker } from "../local-broker.ts";
import type { Runtime } from "../runtime.ts";
import { Chores, type ChoresOptions } from "./chores.ts";
import { Janitor, type RetentionFigures } from "./janitor.ts";
import { JobRunner } from "./job-runner.ts";

export interface LeaderChoresOptions {
  readonly broker: LocalBroker;
  readonly runtime: Runtime;
  readonly log: ChoresOptions["log"];
  /** How long finished tasks are kept, where their queue says nothing; 0 = for ever. */
  readonly retentionMs: number;
}

export interface LeaderChores {
  readonly retention: Readonly<RetentionFigures>;
  close(): Promise<void>;
}

export function startLeaderChores(options: LeaderChoresOptions): LeaderChores {
  const { broker, runtime, log, retentionMs } = options;
  const now = () => performance.now();
  const jobs = new JobRunner(broker, now);
  const janitor = new Janitor({ broker, owner: runtime, ageMs: retentionMs, now });
  const chores = new Chores({
    chores: [() => jobs.round(), () => janitor.round()],
    leads: () => !runtime.closed && runtime.replica.leads,
    log,
  });
  return { retention: janitor.figures, close: () => chores.close() };
}
