/**
 * The faults of a seed as a list: drawn beforehand, each with its time and all that it needs, so
 * that a run can be repeated with some of them left out. Whom an event hits is said in a way that
 * makes sense whatever state the cluster is in by then: the leader, or a share of the way through
 * the nodes.
 */
import { LABELS, type Label } from "./disk-steps.ts";
import type { FaultOptions, MemberOptions, Range, SimulationOptions } from "./options.ts";
import type { Random } from "./random.ts";

/** The leader if there is one and `leader` says so, otherwise the node at this share, 0 to 1. */
export interface Aim {
  readonly leader: boolean;
  readonly share: number;
}

export type FaultDeed =
  | { readonly kind: "crash"; readonly aim: Aim; readonly power: boolean; readonly downMs: number }
  | { readonly kind: "powerLoss"; readonly downMs: readonly number[] }
  /** Crashes a node during its next step of a label. */
  | {
      readonly kind: "ambush";
      readonly aim: Aim;
      readonly label: Label;
      readonly survives: boolean;
      readonly moment: number;
      readonly downMs: number;
    }
  /** The next leader is lost shortly after its election. */
  | {
      readonly kind: "shortOffice";
      readonly afterMs: number;
      readonly crash: boolean;
      readonly mask: number;
      readonly downMs: number;
    }
  | {
      readonly kind: "partition";
      readonly aim: Aim;
      /** Which of the others, by bits. */
      readonly mask: number;
      readonly deaf: boolean;
      readonly mute: boolean;
      readonly ms: number;
    }
  | { readonly kind: "reset"; readonly aim: Aim; readonly other: number; readonly both: boolean }
  | { readonly kind: "clog"; readonly aim: Aim; readonly other: number; readonly ms: number }
  | { readonly kind: "freeze"; readonly aim: Aim; readonly ms: number }
  | { readonly kind: "diskStall"; readonly aim: Aim; readonly ms: number }
  | { readonly kind: "wallJump"; readonly aim: Aim; readonly ms: number }
  | { readonly kind: "strobe"; readonly aim: Aim; readonly ms: number; readonly periodMs: number }
  | { readonly kind: "drift"; readonly aim: Aim; readonly factor: number; readonly ms: number }
  | { readonly kind: "sigterm"; readonly aim: Aim; readonly downMs: number }
  | { readonly kind: "transfer"; readonly to: number | undefined }
  | { readonly kind: "member"; readonly procedure: Procedure; readonly share: number }
  | { readonly kind: "revive"; readonly share: number };

/** What an operator does about members, in several steps. */
export type Procedure = "grow" | "learn" | "shrink" | "removeLeader" | "replace" | "replaceDead";

export interface Fault {
  /** Its name in a list of what to keep. */
  readonly id: number;
  readonly at: number;
  readonly deed: FaultDeed;
}

export function planFaults(options: SimulationOptions, random: Random): readonly Fault[] {
  const draft: { at: number; deed: FaultDeed }[] = [];
  const { faults, members, safetyMs, nodes } = options;
  const add = (name: string, meanMs: number, deed: (random: Random) => FaultDeed) => {
    const own = random.fork(name);
    for (let at = own.exponential(meanMs); at < safetyMs; at += own.exponential(meanMs)) {
      draft.push({ at: Math.round(at * 1000) / 1000, deed: deed(own) });
    }
  };
  addCrashes(faults, add);
  if (nodes > 1 || members.everyMs !== Number.POSITIVE_INFINITY) addNetwork(faults, add);
  addMachines(faults, add);
  addOperations(members, add);
  draft.sort((one, other) => one.at - other.at);
  return draft.map(({ at, deed }, order) => ({ id: order + 1, at, deed }));
}

type Add = (name: string, meanMs: number, deed: (random: Random) => FaultDeed) => void;

function addCrashes(faults: FaultOptions, add: Add): void {
  const { restartMs, leaderShare, powerShare } = faults;
  const aim = (random: Random) => aimAt(random, leaderShare);
  add("crash", faults.crashEveryMs, (random) => {
    const power = random.chance(powerShare);
    return { kind: "crash", aim: aim(random), power, downMs: within(random, restartMs) };
  });
  add("powerLoss", faults.powerLossEveryMs, (random) => {
    const downMs = Array.from({ length: 8 }, () => within(random, restartMs));
    return { kind: "powerLoss", downMs };
  });
  add("ambush", faults.ambushEveryMs, (random) => ({
    kind: "ambush",
    aim: aim(random),
    label: random.pick(faults.ambushLabels),
    survives: random.chance(0.5),
    moment: random.float(),
    downMs: within(random, restartMs),
  }));
  add("shortOffice", faults.shortOfficeEveryMs, (random) => ({
    kind: "shortOffice",
    afterMs: random.exponential(10),
    crash: random.chance(0.5),
    mask: mask(random),
    downMs: within(random, restartMs),
  }));
}

function addNetwork(faults: FaultOptions, add: Add): void {
  const aim = (random: Random) => aimAt(random, faults.leaderShare);
  add("partition", faults.partitionEveryMs, (random) => {
    const oneWay = random.chance(faults.oneWayShare);
    const deaf = !oneWay || random.chance(0.5);
    const mute = !oneWay || !deaf;
    const ms = within(random, faults.partitionMs);
    return { kind: "partition", aim: aim(random), mask: mask(random), deaf, mute, ms };
  });
  add("reset", faults.resetEveryMs, (random) => {
    return { kind: "reset", aim: aim(random), other: random.float(), both: random.chance(0.5) };
  });
  add("clog", faults.clogEveryMs, (random) => {
    const ms = random.between(0, faults.clogMs);
    return { kind: "clog", aim: aim(random), other: random.float(), ms };
  });
}

function addMachines(faults: FaultOptions, add: Add): void {
  const aim = (random: Random) => aimAt(random, faults.leaderShare);
  add("freeze", faults.freezeEveryMs, (random) => {
    return { kind: "freeze", aim: aim(random), ms: within(random, faults.freezeMs) };
  });
  add("diskStall", faults.diskStallEveryMs, (random) => {
    return { kind: "diskStall", aim: aim(random), ms: within(random, faults.diskStallMs) };
  });
  // One clock is the wrong one: what the others say must outweigh it.
  const odd = (random: Random) => ({
    leader: false,
    share: faults.oddClockShare ?? random.float(),
  });
  add("wallJump", faults.wallJumpEveryMs, (random) => {
    return { kind: "wallJump", aim: odd(random), ms: random.pick(faults.wallJumpsMs) };
  });
  add("strobe", faults.strobeEveryMs, (random) => {
    const periodMs = random.pick([50, 300, 1000]);
    return { kind: "strobe", aim: odd(random), ms: random.pick(faults.wallJumpsMs), periodMs };
  });
  add("drift", faults.driftEveryMs, (random) => {
    const factor = random.pick([0.5, 0.8, 1.25, 2]);
    return { kind: "drift", aim: aim(random), factor, ms: random.between(1000, 20_000) };
  });
}

function addOperations(
  { everyMs, procedures, transferEveryMs, sigtermEveryMs }: MemberOptions,
  add: Add,
) {
  add("member", everyMs, (random) => {
    return { kind: "member", procedure: random.pick(procedures), share: random.float() };
  });
  add("revive", everyMs * 3, (random) => ({ kind: "revive", share: random.float() }));
  add("transfer", transferEveryMs, (random) => {
    return { kind: "transfer", to: random.chance(0.5) ? random.float() : undefined };
  });
  add("sigterm", sigtermEveryMs, (random) => {
    return { kind: "sigterm", aim: aimAt(random, 0.7), downMs: random.between(100, 3000) };
  });
}

function aimAt(random: Random, leaderShare: number): Aim {
  return { leader: random.chance(leaderShare), share: random.float() };
}

function within(random: Random, { min, max }: Range): number {
  return random.between(min, max);
}

/** Each of the others with a chance of four in five. */
function mask(random: Random): number {
  let bits = 0;
  for (let bit = 0; bit < 16; bit++) if (random.chance(0.8)) bits |= 1 << bit;
  return bits;
}

export function describeFault({ id, at, deed }: Fault): string {
  const { kind, ...rest } = deed;
  const words = Object.entries(rest).map(([name, value]) => `${name}=${wordOf(value)}`);
  return `${String(id).padStart(4)}  ${(at / 1000).toFixed(3).padStart(8)}s  ${kind} ${words.join(" ")}`;
}

function wordOf(value: unknown): string {
  if (typeof value === "number") return String(Math.round(value * 1000) / 1000);
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return value.map(wordOf).join(",");
  const { leader, share } = value as Aim;
  return leader ? "leader" : `node@${share.toFixed(2)}`;
}

export const ALL_LABELS: readonly Label[] = LABELS;
