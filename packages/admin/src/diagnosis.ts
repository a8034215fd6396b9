/**
 * What is amiss in a cluster, judged from three answers of it, and what to do about it. `fail`: it
 * does not serve, or the next lost member ends that; `warn`: it serves, and somebody should look.
 */
import type { ClusterJson, QueueJson, WorkerJson } from "task-queue-client";
import { tolerance, votersOf } from "./member-view.ts";
import { formatSpan } from "./output/words.ts";
import { isFinal, prospectOf } from "./version-view.ts";

export interface Finding {
  readonly check: string;
  readonly verdict: "ok" | "warn" | "fail";
  readonly found: string;
  /** What to do; empty when all is well. */
  readonly advice: string;
}

/** A task that could begin and does not for this long. */
const PENDING_MS_MAX = 5 * 60 * 1_000;
/** Entries; a member so far behind takes a while to be of use. */
const LAG_MAX = 10_000;

export function examineCluster(cluster: ClusterJson): Finding[] {
  const { leader_id, reason, members } = cluster;
  const voters = votersOf(cluster);
  const up = voters.filter(({ healthy }) => healthy).length;
  const majority = Math.floor(voters.length / 2) + 1;
  const ill = members.filter(({ healthy }) => !healthy).map(({ id }) => id);
  const late = members.filter(({ lag }) => (lag ?? 0) > LAG_MAX).map(({ id }) => id);
  const spare = up > majority || voters.length < 3 ? "warn" : "fail";
  return [
    finding("leader", leader_id === null ? "fail" : "ok", {
      found: leader_id ?? reason ?? "none",
      advice: "start the members that are down: a majority must be up",
    }),
    ill.length === 0
      ? examineVoters(voters.length)
      : finding("members", spare, {
          found: `${ill.join(", ")} not healthy`,
          advice: "look at their logs; tq-admin members replace where a machine is lost",
        }),
    finding("replication", late.length === 0 ? "ok" : "warn", {
      found: late.length === 0 ? "nobody is behind" : `${late.join(", ")} far behind`,
      advice: "wait until they have caught up before you stop another member",
    }),
    examineVersions(cluster),
    ...examineIntake(cluster),
  ];
}

function examineVoters(count: number): Finding {
  return finding("members", count % 2 === 1 ? "ok" : "warn", {
    found: tolerance(count),
    advice: `an odd number is better: ${count - 1} outlive as many losses; see tq-admin members`,
  });
}

/** A member's own program is often known to nobody else; that is no second version. */
function examineVersions(cluster: ClusterJson): Finding {
  const known = new Set(cluster.members.map(({ version }) => version).filter(Boolean));
  const programs = [...known].join(", ") || "-";
  const waits = !isFinal(cluster);
  return finding("versions", known.size > 1 || waits ? "warn" : "ok", {
    found: waits ? `${programs}; the cluster works with ${cluster.cluster_version}` : programs,
    advice: waits ? prospectOf(cluster).sentence : "finish the upgrade: tq-admin upgrade status",
  });
}

/** Brokers before 0.5 do not say. */
function examineIntake({ intake_closed }: ClusterJson): Finding[] {
  if (intake_closed === undefined) return [];
  const found = intake_closed ? "new tasks are refused with disk_full" : "open";
  const advice = "make room on the disks: each broker's /health names its own; docs/disk.md";
  return [finding("intake", intake_closed ? "fail" : "ok", { found, advice })];
}

export function examineWork(
  queues: readonly QueueJson[],
  workers: readonly WorkerJson[],
  now: number,
): Finding[] {
  const stuck = queues.filter((queue) => {
    return queue.oldest_pending_at && now - Date.parse(queue.oldest_pending_at) > PENDING_MS_MAX;
  });
  const paused = queues.filter(({ paused: is }) => is === true);
  const dead = queues.reduce((sum, { counts }) => sum + (counts.dead ?? 0), 0);
  return [
    finding("workers", workers.length === 0 ? "warn" : "ok", {
      found: `${workers.length} registered`,
      advice: "start tq-worker; no task runs without one",
    }),
    finding("queues", stuck.length === 0 ? "ok" : "warn", {
      found: stuck.length === 0 ? `${queues.length}, none stuck` : `${names(stuck)} wait`,
      advice: `oldest waits for over ${formatSpan(PENDING_MS_MAX)}: more workers, or of that type`,
    }),
    finding("paused", paused.length === 0 ? "ok" : "warn", {
      found: paused.length === 0 ? "none" : names(paused),
      advice: "tq-admin resume QUEUE",
    }),
    finding("dead tasks", dead === 0 ? "ok" : "warn", {
      found: String(dead),
      advice: "tq-admin dlq groups tells what they died of",
    }),
  ];
}

function finding(
  check: string,
  verdict: Finding["verdict"],
  { found, advice }: Pick<Finding, "found" | "advice">,
): Finding {
  return { check, verdict, found, advice: verdict === "ok" ? "" : advice };
}

function names(queues: readonly QueueJson[]): string {
  return queues.map(({ name }) => name).join(", ");
}
