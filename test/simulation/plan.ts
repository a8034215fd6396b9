/**
 * The faults of a seed as a list: drawn beforehand, each with its time and all that it needs, so
 * that a run can be repeated with some of them left out.
 */
import type { Aim, Fault, FaultDeed } from "./deeds.ts";
import type { FaultOptions, MemberOptions, SimulationOptions } from "./options.ts";
import { type Add, aimAt, mask, within } from "./plan-dice.ts";
import { addBeyond, addDamage, addTrouble, addVersions } from "./plan-disks.ts";
import type { Random } from "./random.ts";

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
  addTrouble(options.trouble, faults.leaderShare, add);
  addDamage(options.damage, faults.leaderShare, add);
  addVersions(options.versions, add);
  if (options.damage.beyond) addBeyond(safetyMs, random.fork("beyond"), draft);
  draft.sort((one, other) => one.at - other.at);
  return draft.map(({ at, deed }, order) => ({ id: order + 1, at, deed }));
}

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
    afterMs: random.exponential(faults.shortOfficeMs),
    crash: random.chance(0.5),
    mask: mask(random, faults.shortOfficeCutShare),
    downMs: within(random, restartMs),
  }));
  add("relay", faults.relayEveryMs, (random) => {
    return { kind: "relay", share: random.float(), afterMs: random.between(0, faults.relayMs) };
  });
}

function addNetwork(faults: FaultOptions, add: Add): void {
  const aim = (random: Random) => aimAt(random, faults.leaderShare);
  add("partition", faults.partitionEveryMs, (random) => {
    const oneWay = random.chance(faults.oneWayShare);
    const deaf = !oneWay || random.chance(0.5);
    const mute = !oneWay || !deaf;
    const ms = within(random, faults.partitionMs);
    return { kind: "partition", aim: aim(random), mask: mask(random, 0.8), deaf, mute, ms };
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
