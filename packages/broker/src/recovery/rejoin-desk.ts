/**
 * Where a member that has lost data is taken back, on every node; only the leader's can do it. What
 * to do next, the replica's `nextRejoinStep` decides from the members that are in force; each step
 * is a change of members by the same rules as an operator's, and what those refuse becomes "wait".
 *
 * It answers only what a quorum has just confirmed: a leader that was deposed without knowing may
 * list members of long ago, and "you were removed" is an answer that ends a process.
 */
import type { NodeId } from "task-queue-raft";
import type { Throttle } from "../observe/throttle.ts";
import type { Member } from "../ports.ts";
import { unreachable } from "../queue/index.ts";
import {
  type ChangeOutcome,
  type MemberChange,
  nextRejoinStep,
  type RejoinRequest,
  type RejoinStep,
  type Roster,
} from "../replica/index.ts";
import type { NodeReplica } from "../runtime.ts";
import { readMember } from "../transport/document.ts";
import { otherCluster } from "../transport/handshake.ts";
import type { RejoinReply, RejoinRequest as WireRequest } from "../transport/raft-service.ts";

export interface RejoinDeskOptions {
  readonly clusterId: string;
  readonly electionTimeoutMs: number;
  readonly runtime: DeskRuntime;
  /** The newest members that are known here, with their revision. */
  readonly roster: () => Roster;
  /** The member's control stream to this node is open. */
  readonly isConnected: (id: NodeId) => boolean;
  readonly log: { info(fields: object, text: string): void };
  readonly throttle: Pick<Throttle, "allows">;
  /** ms, as the replica's clock. */
  readonly now: () => number;
}

/** As much of the runtime as a desk needs. */
export interface DeskRuntime {
  readonly replica: Pick<NodeReplica, "raft" | "members" | "leads">;
  input(act: (replica: Pick<NodeReplica, "change" | "read">) => void): void;
}

/** Confirm, remove, add, promote: whoever needs more steps than that goes in circles. */
const STEPS_MAX = 4;

export class RejoinDesk {
  readonly #options: RejoinDeskOptions;
  /** Nodes whose question is being worked on: one at a time for each. */
  readonly #busy = new Set<NodeId>();

  constructor(options: RejoinDeskOptions) {
    this.#options = options;
  }

  /** `from`: the asker's address, for the log. */
  async answer(asked: WireRequest, from: string): Promise<RejoinReply> {
    const { clusterId, runtime } = this.#options;
    if (asked.member === null) return refused("a question without a member");
    const member = readMember(asked.member);
    if (asked.clusterId !== clusterId) {
      const other = { nodeId: member.id, clusterId: asked.clusterId };
      // Of that cluster this node knows nothing, and another address may be the right one.
      return wait(otherCluster(other, { nodeId: runtime.replica.raft.id, clusterId }));
    }
    if (this.#busy.has(member.id)) return wait("an earlier question of it is being worked on");
    this.#busy.add(member.id);
    try {
      const { formerIncarnation: former, confirmed } = asked;
      const wish = asked.wantsVote ? "voter" : "learner";
      return await this.#work({ former, member, wish, confirmed }, from);
    } finally {
      this.#busy.delete(member.id);
    }
  }

  async #work(request: RejoinRequest, from: string): Promise<RejoinReply> {
    const { runtime } = this.#options;
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      if (!runtime.replica.leads) return this.#ask();
      if (!(await this.#isConfirmed())) return wait("the leader cannot reach a majority of voters");
      if (!runtime.replica.leads) return this.#ask();
      const roster = { members: runtime.replica.members };
      const step = nextRejoinStep(roster, request, (id) => this.#isHeard(id));
      const changeOrReply = this.#perform(step);
      if ("verdict" in changeOrReply) return changeOrReply;
      this.#tell(request.member, from, describe(changeOrReply));
      const trouble = await this.#change(changeOrReply);
      if (trouble !== undefined) return wait(trouble);
    }
    return wait("the members change too quickly");
  }

  /** What is to be changed, or what to answer. */
  #perform(step: RejoinStep): MemberChange | RejoinReply {
    switch (step.kind) {
      case "wait":
        return wait(step.reason);
      case "refused":
        return refused(step.reason);
      case "confirm":
        return { ...wait(""), verdict: "CONFIRM", wasVoter: step.voter };
      case "done":
        return this.#done();
      case "add":
        return { kind: "add", member: step.member };
      case "remove":
      case "promote":
        return { kind: step.kind, id: step.id, force: false };
      default:
        return unreachable(step);
    }
  }

  /** A quorum has just confirmed this leader, and everything committed before is applied here. */
  #isConfirmed(): Promise<boolean> {
    return new Promise((resolve) => {
      const waiter = (applied: number | undefined) => resolve(applied !== undefined);
      this.#options.runtime.input((replica) => replica.read(waiter, true, 0));
    });
  }

  /** undefined: it is done. */
  #change(change: MemberChange): Promise<string | undefined> {
    return new Promise((resolve) => {
      const waiter = (outcome: ChangeOutcome) => {
        resolve(outcome.kind === "done" ? undefined : outcome.message);
      };
      this.#options.runtime.input((replica) => replica.change(change, waiter));
    });
  }

  /** Either sign will do: to remove a member that only seemed dead costs it its whole copy. */
  #isHeard(id: NodeId): boolean {
    const { runtime, electionTimeoutMs, isConnected, now } = this.#options;
    if (id === runtime.replica.raft.id || isConnected(id)) return true;
    const status = runtime.replica.raft.status().find((each) => each.id === id);
    return status !== undefined && now() - status.lastContactMs < electionTimeoutMs;
  }

  #done(): RejoinReply {
    const { clusterId, roster } = this.#options;
    return { ...wait(""), verdict: "DONE", formation: { clusterId, ...roster() } };
  }

  #ask(): RejoinReply {
    const { raft, members } = this.#options.runtime.replica;
    const leader = members.find(({ id }) => id === raft.leader);
    const reason =
      leader === undefined ? `${raft.id} knows no leader at the moment` : `${leader.id} leads`;
    return { ...wait(reason), verdict: "ASK", leaderBus: leader?.bus ?? "" };
  }

  #tell({ id, incarnation }: Member, from: string, what: string): void {
    const { log, throttle } = this.#options;
    if (!throttle.allows(`${incarnation} ${what}`)) return;
    const words = `${id} has lost data and comes back as a new incarnation: ${what}`;
    log.info({ peer: id, incarnation, from }, words);
  }
}

function describe({ kind }: MemberChange): string {
  switch (kind) {
    case "remove":
      return "its former incarnation is to be removed";
    case "add":
      return "it is to be a learner";
    default:
      return "it is to vote again";
  }
}

function wait(reason: string): RejoinReply {
  return { verdict: "WAIT", reason, leaderBus: "", wasVoter: false, formation: null };
}

function refused(reason: string): RejoinReply {
  return { ...wait(reason), verdict: "REFUSED" };
}
