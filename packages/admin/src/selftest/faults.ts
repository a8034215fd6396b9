/**
 * What a selftest does to its cluster, one thing after the other, each when the one before is
 * healed: one broker of three may be lost at any time, and no more is promised.
 */
import type { BrokerChild } from "./broker-child.ts";
import type { TrialCluster } from "./trial-cluster.ts";

export interface Fault {
  readonly name: string;
  /** When it comes, as a share of the whole time. */
  readonly at: number;
  /** Resolves with what came of it once the cluster is whole again. */
  act(cluster: TrialCluster, seconds: number): Promise<string>;
}

/** Of the whole time that a follower is frozen for. */
const FROZEN_SHARE = 0.15;

export const FAULTS: readonly Fault[] = [
  { name: "kill the leader", at: 0.1, act: killLeader },
  { name: "freeze a follower", at: 0.35, act: freezeFollower },
  { name: "restart a follower", at: 0.65, act: restartFollower },
  { name: "hand over leadership", at: 0.85, act: handOver },
];

async function killLeader(cluster: TrialCluster): Promise<string> {
  const leader = await cluster.leader();
  const began = performance.now();
  await leader.end("SIGKILL");
  const next = await cluster.leader(leader.id);
  const tookMs = performance.now() - began;
  const back = await startAgain(cluster, leader);
  return `${leader.id} with SIGKILL; ${next.id} leads after ${secondsOf(tookMs)}; ${back}`;
}

async function freezeFollower(cluster: TrialCluster, seconds: number): Promise<string> {
  const follower = await followerOf(cluster);
  const ms = seconds * FROZEN_SHARE * 1_000;
  follower.freeze();
  await cluster.pause(ms);
  follower.thaw();
  const began = performance.now();
  await cluster.whole();
  const back = secondsOf(performance.now() - began);
  return `${follower.id} with SIGSTOP for ${secondsOf(ms)}; ready again after ${back}`;
}

async function restartFollower(cluster: TrialCluster): Promise<string> {
  const follower = await followerOf(cluster);
  const how = await cluster.orInterrupted(follower.end("SIGTERM"));
  const back = await startAgain(cluster, follower);
  return `${follower.id} with SIGTERM: it ended with ${how}; ${back}`;
}

async function handOver(cluster: TrialCluster): Promise<string> {
  const leader = await cluster.leader();
  const to = cluster.othersThan(leader.id)[0] as BrokerChild;
  const began = performance.now();
  await cluster.handOver(to);
  await cluster.until(`${to.id} leads`, async () => {
    const { id } = await cluster.leader();
    return id === to.id || undefined;
  });
  return `from ${leader.id} to ${to.id}, which took ${secondsOf(performance.now() - began)}`;
}

async function followerOf(cluster: TrialCluster): Promise<BrokerChild> {
  const { id } = await cluster.leader();
  return cluster.othersThan(id).at(-1) as BrokerChild;
}

async function startAgain(cluster: TrialCluster, broker: BrokerChild): Promise<string> {
  const began = performance.now();
  broker.start();
  await cluster.whole();
  return `back after ${secondsOf(performance.now() - began)}`;
}

export function secondsOf(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
