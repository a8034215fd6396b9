/**
 * What a binary can work with, and what the cluster works with. The version of the cluster is part
 * of its roster, so it changes by an entry of the log, at the same place on every node. Until then
 * everything that is written and said is what the older binary knows, and going back is possible.
 */
import { type Command, type Refused, versionNeededBy } from "../queue/index.ts";

/** Both ends included. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

/** What this build can work with; `CHANGELOG.md` and `docs/upgrades.md` say what each brought. */
export const SUPPORTED: VersionRange = { min: 1, max: 4 };

/** Of a binary that says nothing of versions: it is from before they were announced. */
export const UNANNOUNCED: VersionRange = { min: 1, max: 1 };

/** That of a cluster whose roster says nothing of it. */
export const FIRST_VERSION = 1;

/** The cluster works with a version that this binary does not know: it must not go on. */
export class TooNew extends Error {
  override readonly name = "TooNew";
  /** What the process leaves with, as for a data directory that is too new; after sysexits. */
  readonly exitStatus = 73;

  constructor(what: string, supports: VersionRange) {
    super(
      `${what}, and this tq-broker knows ${versionsText(supports)}: start a newer tq-broker; ` +
        "nothing of it was written here",
    );
  }
}

/** The version of a roster; `Roster.clusterVersion` is absent from those of before. */
export function clusterVersionOf(roster: { readonly clusterVersion?: number }): number {
  return roster.clusterVersion ?? FIRST_VERSION;
}

/** What a member's binary is known to work with. */
export function versionsOf(member: { readonly versions?: VersionRange }): VersionRange {
  return member.versions ?? UNANNOUNCED;
}

export function includes({ min, max }: VersionRange, version: number): boolean {
  return min <= version && version <= max;
}

export function isSameRange(one: VersionRange, other: VersionRange): boolean {
  return one.min === other.min && one.max === other.max;
}

/** `1 to 2`, or `1` alone. */
export function spanOf({ min, max }: VersionRange): string {
  return min === max ? `${min}` : `${min} to ${max}`;
}

/** `versions 1 to 2`, or `version 1`. */
export function versionsText(range: VersionRange): string {
  return `${range.min === range.max ? "version" : "versions"} ${spanOf(range)}`;
}

/** Throws `TooNew` when a cluster of this roster is beyond what `supports` allows. */
export function refuseTooNew(
  roster: { readonly clusterVersion?: number },
  supports: VersionRange,
): void {
  const version = clusterVersionOf(roster);
  if (version > supports.max) {
    throw new TooNew(`the cluster works with version ${version} by now`, supports);
  }
}

/**
 * The answer to a command that nobody may propose yet; undefined = it may be. Asked where it comes
 * in and again where it is forwarded to, because an older binary could read neither it nor its
 * entry.
 */
export function refuseTooEarly(command: Command, version: number): Refused | undefined {
  const needed = versionNeededBy(command);
  if (needed <= version) return undefined;
  const message =
    `this needs version ${needed} of the cluster, which works with ${version}: ` +
    "tq-admin upgrade finalize";
  return { code: "state_conflict", message };
}
