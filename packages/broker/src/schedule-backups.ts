/** Scheduled backups of this node, and what it and the others tell each other of theirs. */
import { setMaxListeners } from "node:events";
import { BackupSchedule } from "./backup/schedule.ts";
import type { ClusterSeat } from "./cluster-bus.ts";
import type { Config } from "./config/config.ts";
import type { LocalBroker } from "./local-broker.ts";
import type { NodeLogger } from "./observe/logger.ts";
import type { BackupReport, Member } from "./ports.ts";
import { type AskBackups, answerBackups } from "./transport/backup-call.ts";

export interface BackupSurroundings {
  readonly config: Config;
  readonly log: NodeLogger;
  readonly broker: LocalBroker;
  readonly seat: Pick<ClusterSeat, "formation" | "answerBackups">;
  readonly members: () => readonly Member[];
  readonly ask: AskBackups;
}

/** A node that keeps none answers, too: the others do not wait for it. */
const NONE: BackupReport = { state: "cannot", ageMs: undefined };

/** undefined: this node has no directory for any. */
export function scheduleBackups(around: BackupSurroundings): BackupSchedule | undefined {
  const { config, log, broker, seat } = around;
  const { backup: settings } = config;
  const schedule =
    settings &&
    new BackupSchedule({
      settings,
      backups: broker.backups,
      floorBytes: config.persistence.minFreeDiskBytes,
      status: () => broker.status(),
      askOthers: (signal) => askOthers(around, signal),
      wallMs: Date.now,
      now: () => performance.now(),
      log,
    });
  const own = { nodeId: broker.nodeId, clusterId: seat.formation.clusterId };
  const report = async () => (schedule === undefined ? NONE : schedule.report());
  seat.answerBackups((question) => answerBackups(question, own, report));
  return schedule?.start();
}

async function askOthers(
  { broker, seat, members, ask }: BackupSurroundings,
  signal: AbortSignal,
): Promise<Map<string, BackupReport>> {
  const question = { clusterId: seat.formation.clusterId, nodeId: broker.nodeId };
  const reports = new Map<string, BackupReport>();
  // Each takes its own away again.
  setMaxListeners(0, signal);
  const others = members().filter(({ id }) => id !== broker.nodeId);
  const answers = others.map(async (member) => {
    // Silence is an answer of its own, and the log of each minute would not be the better for it.
    const report = await ask(member, question, signal).catch(() => undefined);
    if (report !== undefined) reports.set(member.id, report);
  });
  await Promise.all(answers);
  return reports;
}
