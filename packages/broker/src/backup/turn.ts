/**
 * Whose turn it is to make the backup that is due. All members are in one order; each waits a while
 * for every one before it that has not said it cannot, and looks again meanwhile. So one makes it
 * when all is well, and nobody has to agree on who is well. Pure.
 *
 * Members that see different things may both make one: that costs room and no more.
 */
import type { MemberStatus } from "../operations/broker.ts";
import type { BackupReport } from "../ports.ts";
import { TURN_MS_MAX, TURN_MS_MIN, TURNS_PER_INTERVAL } from "./limits.ts";

/** Followers by their names, then learners, and the leader last: it has enough to do. */
export function orderOf(members: readonly Pick<MemberStatus, "id" | "role">[]): string[] {
  const place = ({ role }: Pick<MemberStatus, "role">): number => {
    return role === "leader" ? 2 : role === "learner" ? 1 : 0;
  };
  const sorted = members.toSorted((a, b) => place(a) - place(b) || (a.id < b.id ? -1 : 1));
  return sorted.map(({ id }) => id);
}

/** How long a member waits for each one before it. */
export function turnMs(intervalMs: number): number {
  return Math.min(TURN_MS_MAX, Math.max(TURN_MS_MIN, intervalMs / TURNS_PER_INTERVAL));
}

export interface Turn {
  readonly order: readonly string[];
  readonly self: string;
  /** What the others have said; who is not in it has not answered. */
  readonly reports: ReadonlyMap<string, Pick<BackupReport, "state">>;
  /** How long this node has seen that one is due. */
  readonly waitedMs: number;
  readonly turnMs: number;
}

export function isTurn({ order, self, reports, waitedMs, turnMs: each }: Turn): boolean {
  const at = order.indexOf(self);
  if (at < 0) return false;
  if (order.some((id) => reports.get(id)?.state === "makes")) return false;
  const ahead = order.slice(0, at).filter((id) => reports.get(id)?.state !== "cannot");
  return waitedMs >= ahead.length * each;
}
