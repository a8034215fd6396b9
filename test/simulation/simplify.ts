/**
 * Ways to make the world of a seed simpler without touching its plan of faults. A failure that
 * survives one of them has nothing to do with what it takes away.
 */
import { calm } from "./calm.ts";
import type { SimulationOptions } from "./options.ts";

type Simplify = (options: SimulationOptions) => SimulationOptions;

export const SIMPLIFICATIONS = {
  "short-patience": (options) => ({ ...options, livenessMs: 40_000 }),
  "no-loss": (options) => withNetwork(options, { lossRate: 0 }),
  "no-doubles": (options) => withNetwork(options, { duplicateRate: 0 }),
  "no-overtaking": (options) => withNetwork(options, { reorderRate: 0 }),
  "no-stragglers": (options) => withNetwork(options, { stragglers: false }),
  "strict-bus": (options) => withNetwork(options, { lenient: false }),
  "quick-network": (options) => {
    const { delayMs, noticeMs, snapshotBytesPerMs } = calm().network;
    return withNetwork(options, { delayMs, noticeMs, snapshotBytesPerMs });
  },
  "quick-disk": (options) => {
    const { syncIntervalMs } = options.disk;
    return { ...options, disk: { ...calm().disk, syncIntervalMs } };
  },
  "synced-log": (options) => ({ ...options, disk: { ...options.disk, syncIntervalMs: 0 } }),
  "right-clocks": (options) => ({ ...options, clocks: calm().clocks }),
  "no-priorities": (options) => {
    return { ...options, members: { ...options.members, priorities: false } };
  },
  "all-come-back": (options) => {
    return { ...options, faults: { ...options.faults, minorityStaysDown: false } };
  },
  "calm-consensus": (options) => ({ ...options, raft: calm().raft }),
  "honest-workers": (options) => {
    const { deeds, quietRate, reconnectEveryMs, byeEveryMs } = calm().workload;
    return withWorkload(options, { deeds, quietRate, reconnectEveryMs, byeEveryMs });
  },
  "one-worker": (options) => withWorkload(options, { workers: 1 }),
} as const satisfies Readonly<Record<string, Simplify>>;

export type Simplification = keyof typeof SIMPLIFICATIONS;

function withNetwork(
  options: SimulationOptions,
  changes: Partial<SimulationOptions["network"]>,
): SimulationOptions {
  return { ...options, network: { ...options.network, ...changes } };
}

function withWorkload(
  options: SimulationOptions,
  changes: Partial<SimulationOptions["workload"]>,
): SimulationOptions {
  return { ...options, workload: { ...options.workload, ...changes } };
}
