/**
 * Where a node that has lost data is taken back: the leader's side, as a broker has it at its edge.
 * What to do next, the replica's `nextRejoinStep` decides; each step is a change of members. Only
 * what a quorum has just confirmed is answered.
 */
import type { NodeId } from "task-queue-raft";
import {
  type MemberChange,
  nextRejoinStep,
  type RejoinRequest,
  type Roster,
} from "../../packages/broker/src/replica/index.ts";
import type { SimulatedReplica } from "./boot.ts";
import type { SimulatedNode } from "./node.ts";
import type { Situations } from "./situations.ts";

export type RejoinAnswer =
  | { readonly kind: "done"; readonly roster: Roster }
  | { readonly kind: "confirm"; readonly voter: boolean }
  | { readonly kind: "wait"; readonly reason: string }
  | { readonly kind: "refused"; readonly reason: string }
  /** That node does not lead. */
  | { readonly kind: "ask" };

type Reply = (answer: RejoinAnswer) => void;

/** Confirm, remove, add, promote: whoever needs more steps than that goes in circles. */
const STEPS_MAX = 4;

/** `isConnected`: the node hears the member of that name. */
export function serveRejoin(
  node: SimulatedNode,
  request: RejoinRequest,
  isConnected: (id: NodeId) => boolean,
  situations: Situations,
  reply: Reply,
): void {
  const work = (steps: number): void => {
    node.input((replica) => {
      if (!replica.leads) reply({ kind: "ask" });
      else replica.read((applied) => confirmed(replica, steps, applied), true, 0);
    });
  };
  const confirmed = (replica: SimulatedReplica, steps: number, applied: number | undefined) => {
    if (applied === undefined) {
      situations.hit("way back waits: the leader is not confirmed");
      reply({ kind: "wait", reason: "the leader cannot reach a majority of voters" });
    } else if (!replica.leads) {
      reply({ kind: "ask" });
    } else if (steps === STEPS_MAX) {
      reply({ kind: "wait", reason: "the members change too quickly" });
    } else {
      decide(replica, steps);
    }
  };
  const decide = (replica: SimulatedReplica, steps: number): void => {
    const isHeard = (id: NodeId) => isConnected(id) || hears(replica, id, node);
    const step = nextRejoinStep({ members: replica.members }, request, isHeard);
    switch (step.kind) {
      case "done":
        // The bus's own: it is never older than what this replica has applied.
        reply({ kind: "done", roster: node.book! });
        break;
      case "remove":
      case "promote":
        change(replica, steps, { kind: step.kind, id: step.id, force: false });
        break;
      case "add":
        change(replica, steps, step);
        break;
      case "wait":
        situations.hit("way back waits: the former incarnation is heard");
        reply(step);
        break;
      default:
        reply(step);
    }
  };
  const change = (replica: SimulatedReplica, steps: number, step: MemberChange): void => {
    node.onTakingBack?.();
    replica.change(step, (outcome) => {
      if (outcome.kind === "done") {
        work(steps + 1);
        return;
      }
      situations.hit(
        outcome.kind === "refused"
          ? "way back waits: a change is refused"
          : "way back waits: a change has an unknown outcome",
      );
      reply({ kind: "wait", reason: outcome.message });
    });
  };
  work(0);
}

function hears({ raft }: SimulatedReplica, id: NodeId, node: SimulatedNode): boolean {
  if (id === raft.id) return true;
  const status = raft.status().find((each) => each.id === id);
  return status !== undefined && node.monotonicMs - status.lastContactMs < node.electionTimeoutMs;
}
