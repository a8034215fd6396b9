/** A member of the cluster as people see it, and what the number of voters means. */
import type { ClusterJson, MemberJson } from "task-queue-client";
import { nearest } from "task-queue-protocol";
import { CliError, EXIT } from "./exit-status.ts";
import type { Column } from "./output/table.ts";

export const MEMBER_COLUMNS: readonly Column<MemberJson>[] = [
  { title: "ID", text: (member) => member.id },
  { title: "ADDRESS", text: (member) => member.address },
  { title: "ROLE", text: (member) => member.role },
  { title: "HEALTHY", text: (member) => (member.healthy ? "yes" : "no") },
  { title: "MATCH", align: "right", text: (member) => String(member.match_index ?? "-") },
  { title: "LAG", align: "right", text: (member) => String(member.lag ?? "-") },
  { title: "VERSION", text: (member) => member.version || "-" },
];

/** The member with this id; throws status 66 with the ids that there are. */
export function memberOf({ members }: ClusterJson, id: string): MemberJson {
  const member = members.find((candidate) => candidate.id === id);
  if (member !== undefined) return member;
  const ids = members.map((candidate) => candidate.id);
  const guess = nearest(id, ids);
  const hint = guess === undefined ? `there are ${ids.join(", ")}` : `did you mean "${guess}"?`;
  throw new CliError(EXIT.notFound, `there is no member "${id}"; ${hint}`);
}

export function votersOf({ members }: ClusterJson): readonly MemberJson[] {
  return members.filter((member) => member.role !== "learner");
}

/** `3 voters, of which 1 may fail`. */
export function tolerance(voters: number): string {
  const spare = Math.max(0, Math.ceil(voters / 2) - 1);
  const noun = voters === 1 ? "voter" : "voters";
  return `${voters} ${noun}, of which ${spare === 0 ? "none" : spare} may fail`;
}
