/**
 * Which changes of the members a leader proposes, and why not. A refusal says what to do about it.
 * Consensus itself asks only that one voter changes at a time; these rules keep operators from
 * changes that are safe and still leave them without a quorum (§4.2.1).
 */
import type { LogIndex, MemberStatus, NodeId } from "task-queue-raft";
import { unreachable } from "../queue/index.ts";
import { LEARNERS_MAX, QUORUM_LAG_ENTRIES, VOTERS_MAX } from "./limits.ts";
import type { ClusterMember, Member } from "./members.ts";
import type { ChangeOutcome, MemberChange } from "./output.ts";
import { includes, spanOf, type VersionRange, versionsOf } from "./versions.ts";

/** What a leader knows when it judges. */
export interface Standing {
  readonly self: NodeId;
  readonly members: readonly ClusterMember[];
  /** How far each of them is. */
  readonly progress: ReadonlyMap<NodeId, MemberStatus>;
  readonly lastIndex: LogIndex;
  readonly now: number;
  /** Who was not heard for as long does not count as alive. */
  readonly electionTimeoutMs: number;
  /** What the cluster works with. */
  readonly clusterVersion: number;
  /** What this node's binary can work with. */
  readonly supports: VersionRange;
}

export type Verdict =
  | {
      readonly kind: "propose";
      readonly members: readonly ClusterMember[];
      /** Present when it is to be another one. */
      readonly clusterVersion?: number;
    }
  /** It is so already. */
  | { readonly kind: "done" }
  | Extract<ChangeOutcome, { readonly kind: "refused" }>;

const DONE: Verdict = { kind: "done" };

export function judge(change: MemberChange, standing: Standing): Verdict {
  switch (change.kind) {
    case "add":
      return judgeAdd(change.member, standing);
    case "promote":
      return judgePromote(change.id, change.force, standing);
    case "remove":
      return judgeRemove(change.id, change.force, standing);
    case "raise":
      return judgeRaise(change.to, standing);
    default:
      return unreachable(change);
  }
}

/** Heard of late, and its log begun and all but complete: it can help to commit what comes next. */
export function isCaughtUp(id: NodeId, standing: Standing): boolean {
  const { progress, lastIndex, now, electionTimeoutMs, self } = standing;
  const status = progress.get(id);
  if (status === undefined || status.snapshotIndex !== undefined) return false;
  if (id !== self && now - status.lastContactMs >= electionTimeoutMs) return false;
  return status.match > 0 && lastIndex - status.match <= QUORUM_LAG_ENTRIES;
}

function judgeAdd(member: Member, { members, clusterVersion }: Standing): Verdict {
  const { id, incarnation, bus, address } = member;
  const same = members.find((each) => each.id === id);
  if (same?.incarnation === incarnation) return DONE;
  if (same !== undefined) {
    return conflict(
      `${id} is a member already, with another data directory; ` +
        `if that one is lost, remove ${id} first, then add it again`,
    );
  }
  const neighbour = members.find((each) => each.bus === bus || each.address === address);
  if (neighbour !== undefined) {
    const where = neighbour.bus === bus ? bus : address;
    return conflict(
      `${neighbour.id} is reached at ${where} already; give ${id} an address of its own, ` +
        `or remove ${neighbour.id} first`,
    );
  }
  const versions = versionsOf(member);
  if (!includes(versions, clusterVersion)) {
    return conflict(
      `the cluster works with version ${clusterVersion}, and ${id} knows ${spanOf(versions)}: ` +
        `start ${clusterVersion > versions.max ? "a newer" : "an older"} tq-broker there`,
    );
  }
  const learners = members.filter((each) => !each.voter).length;
  if (learners >= LEARNERS_MAX) {
    return conflict(`there are ${learners} learners already; promote or remove one first`);
  }
  return propose([...members, { ...member, voter: false }]);
}

function judgePromote(id: NodeId, force: boolean, standing: Standing): Verdict {
  const { members } = standing;
  const member = members.find((each) => each.id === id);
  if (member === undefined) return unknownMember(id, members);
  if (member.voter) return DONE;
  const voters = members.filter((each) => each.voter).length;
  if (voters >= VOTERS_MAX) {
    return conflict(`there are ${voters} voters already, which is the most; remove one first`);
  }
  if (!force && !isCaughtUp(id, standing)) {
    return conflict(`${id} ${whyBehind(id, standing)}; wait until it is, or use force`);
  }
  return propose(members.map((each) => (each.id === id ? { ...each, voter: true } : each)));
}

function judgeRemove(id: NodeId, force: boolean, standing: Standing): Verdict {
  const { members } = standing;
  const member = members.find((each) => each.id === id);
  if (member === undefined) return unknownMember(id, members);
  const rest = members.filter((each) => each.id !== id);
  if (!member.voter) return propose(rest);
  const voters = rest.filter((each) => each.voter);
  if (voters.length === 0) {
    return conflict(`${id} is the last voter; promote another member first`);
  }
  const quorum = Math.floor(voters.length / 2) + 1;
  const well = voters.filter((each) => isCaughtUp(each.id, standing)).length;
  if (!force && well < quorum) {
    return conflict(
      `without ${id} the cluster would need ${quorum} of ${voters.length} voters, and only ` +
        `${well} of those can be reached and are caught up; bring the others back first, ` +
        "or use force",
    );
  }
  return propose(rest);
}

/** Those that are down count by what they have last said: they come back some day. */
function judgeRaise(to: number, { members, clusterVersion, supports }: Standing): Verdict {
  if (to === clusterVersion) return DONE;
  if (to < clusterVersion) {
    return conflict(`the cluster works with version ${clusterVersion}; there is no way back`);
  }
  if (!includes(supports, to)) {
    return conflict(
      `version ${to} is not known here: this tq-broker knows ${spanOf(supports)}; ` +
        "start a newer one on every member first",
    );
  }
  const unfit = members.filter((member) => !includes(versionsOf(member), to));
  if (unfit.length === 0) return { kind: "propose", members, clusterVersion: to };
  return conflict(
    `not every member knows version ${to}: ${unfit.map(whatItKnows).join(", ")}; ` +
      "start a newer tq-broker there, or remove that member",
  );
}

/** `node2 knows 1`, and how that is known if it never said so. */
function whatItKnows({ id, versions }: ClusterMember): string {
  if (versions !== undefined) return `${id} knows ${spanOf(versions)}`;
  return `${id} has not said what it knows, as the first versions do not`;
}

function whyBehind(id: NodeId, { progress, lastIndex, now, electionTimeoutMs }: Standing): string {
  const status = progress.get(id);
  if (status === undefined || now - status.lastContactMs >= electionTimeoutMs) {
    return "cannot be reached and so is not known to be caught up";
  }
  if (status.snapshotIndex !== undefined) return "still receives a snapshot and is not caught up";
  return `is not caught up: it lacks ${lastIndex - status.match} entries`;
}

function propose(members: readonly ClusterMember[]): Verdict {
  return { kind: "propose", members };
}

function conflict(message: string): Verdict {
  return { kind: "refused", code: "state_conflict", message };
}

function unknownMember(id: NodeId, members: readonly ClusterMember[]): Verdict {
  const known = members.map((each) => each.id).join(", ");
  return { kind: "refused", code: "not_found", message: `${id} is no member; those are ${known}` };
}
