/**
 * What a leader does next for a node that has lost what it had promised and asks to come back as a
 * new incarnation of itself. The former one is removed, the new one added as a learner, and
 * promoted once it has caught up: each step is a change of members like an operator's, judged by
 * the same rules. A node that has forgotten acknowledged entries or a vote and went on under its
 * old incarnation could help to elect a leader without them ("protocol-aware recovery", FAST 2018).
 *
 * The node asks again and again and may crash in between, and so may the leader: what to do follows
 * from the roster alone. The one thing it cannot tell is why a name is missing in it: removed by an
 * operator, or for this very node a moment ago. Hence `confirmed`.
 */
import type { NodeId } from "task-queue-raft";
import type { Member, Roster } from "./members.ts";

export interface RejoinRequest {
  /** The incarnation that has lost its data. */
  readonly former: string;
  /** Who wants to take its place: the same name, a new incarnation. */
  readonly member: Member;
  readonly wish: "learner" | "voter";
  /**
   * The node has been told that its former incarnation is listed, and has written that down. From
   * then on that one may be removed, and if the name is missing, it was removed for this node.
   */
  readonly confirmed: boolean;
}

export type RejoinStep =
  /** Nothing is changed yet: it shall note what it was, and ask again with `confirmed`. */
  | { readonly kind: "confirm"; readonly voter: boolean }
  /** `change({ kind: "remove", id, force: false })`, and look again. */
  | { readonly kind: "remove"; readonly id: NodeId }
  /** `change({ kind: "add", member })`, and look again. */
  | { readonly kind: "add"; readonly member: Member }
  /** `change({ kind: "promote", id, force: false })`, and look again. */
  | { readonly kind: "promote"; readonly id: NodeId }
  /** It is what it wishes to be. */
  | { readonly kind: "done" }
  /** Not now; it asks again. */
  | { readonly kind: "wait"; readonly reason: string }
  /** Never: only a person can help, and the reason says how. */
  | { readonly kind: "refused"; readonly reason: string };

/**
 * `roster` is the one in force and committed, `isHeard` whether the leader has lately heard of the
 * member of that name; the leader itself counts as heard.
 */
export function nextRejoinStep(
  { members }: Pick<Roster, "members">,
  request: RejoinRequest,
  isHeard: (id: NodeId) => boolean,
): RejoinStep {
  const { former, member, wish, confirmed } = request;
  const { id } = member;
  const listed = members.find((each) => each.id === id);
  if (listed === undefined) {
    return confirmed ? { kind: "add", member } : { kind: "refused", reason: removed(id) };
  }
  if (listed.incarnation === member.incarnation) {
    const enough = listed.voter || wish === "learner";
    return enough ? { kind: "done" } : { kind: "promote", id };
  }
  if (listed.incarnation !== former)
    return { kind: "refused", reason: replaced(id, listed, former) };
  if (isHeard(id)) return { kind: "wait", reason: stillHeard(id) };
  return confirmed ? { kind: "remove", id } : { kind: "confirm", voter: listed.voter };
}

function removed(id: NodeId): string {
  return (
    `${id} was removed from the cluster. To bring it back, start it with an empty ` +
    "persistence.data_dir and name it to tq-admin members add"
  );
}

function replaced(id: NodeId, listed: Pick<Member, "incarnation">, former: string): string {
  return (
    `${id} was replaced: the member of that name has incarnation ${listed.incarnation}, this one ` +
    `${former}. Switch this one off; its data directory is of no use to the cluster any more`
  );
}

function stillHeard(id: NodeId): string {
  return (
    `the leader still hears a ${id} of the former incarnation. If that goes on, this data ` +
    `directory is a copy of one that is in use: switch one of the two off`
  );
}
