/**
 * What is amiss in a cluster, judged from three answers of it, and what to do about it. `fail`: it
 * does not serve, or the next lost member ends that; `warn`: it serves, and somebody should look.
 */
import type { ClusterJson, QueueJson, WorkerJson } from "task-queue-client";
import { tolerance, votersOf } from "./member-view.ts";
import { formatSpan } from "./output/words.ts";

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
  const versions = [...new Set(members.map(({ version }) => version))];
  const spare = up > majority || voters.length < 3 ? "warn" : "fail";
  return [
    finding("leader", leader_id === null ? "fail" : "ok", {
      found: leader_id ?? reason ?? "none",
      advice: "start the members that are down: a majority must be up",
    }),
    finding("members", ill.length === 0 ? "ok" : spare, {
      found: ill.length === 0 ? tolerance(voters.length) : `${ill.join(", ")} not healthy`,
      advice: "look at their logs; tq-admin members replace where a machine is lost",
    }),
    finding("replication", late.length === 0 ? "ok" : "warn", {
      found: late.length === 0 ? "nobody is behind" : `${late.join(", ")} far behind`,
      advice: "wait until they have caught up before you stop another member",
    }),
    finding("versions", versions.length === 1 ? "ok" : "warn", {
      found: versions.join(", "),
      advice: "finish the upgrade: tq-admin upgrade status",
    }),
  ];
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
