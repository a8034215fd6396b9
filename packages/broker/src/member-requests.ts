/**
 * What operators want of members and leadership, as promises: asked of the replica, which decides,
 * and told in the words of the error catalogue. Only the leader's can do anything.
 */
import { TqError } from "task-queue-protocol";
import type { Member } from "./ports.ts";
import { unreachable } from "./queue/index.ts";
import { type ChangeOutcome, type MemberChange, SUPPORTED } from "./replica/index.ts";
import type { ChangeWaiter, NodeReplica, Runtime } from "./runtime.ts";

/** Asks who is at `id@host:port`; rejects with a sentence when that one cannot be added. */
export type Greet = (peer: string) => Promise<Member>;

export class MemberRequests {
  readonly #runtime: Runtime;
  readonly #greet: Greet;

  constructor(runtime: Runtime, greet: Greet) {
    this.#runtime = runtime;
    this.#greet = greet;
  }

  async add(peer: string): Promise<void> {
    this.#checkLeads();
    const member = await this.#greet(peer).catch((error: Error) => {
      throw new TqError("state_conflict", error.message, { cause: error });
    });
    await this.#change({ kind: "add", member });
  }

  promote(id: string, force: boolean): Promise<void> {
    return this.#change({ kind: "promote", id, force });
  }

  remove(id: string, force: boolean): Promise<void> {
    return this.#change({ kind: "remove", id, force });
  }

  transferLeadership(to: string | undefined): Promise<void> {
    return this.#outcomeOf((replica, waiter) => replica.transferLeadership(to, waiter));
  }

  /** undefined: to the highest that this node's program knows. */
  raiseVersion(to: number | undefined): Promise<void> {
    return this.#change({ kind: "raise", to: to ?? SUPPORTED.max });
  }

  #change(change: MemberChange): Promise<void> {
    return this.#outcomeOf((replica, waiter) => replica.change(change, waiter));
  }

  /** Before anybody is greeted: another node might get another answer. */
  #checkLeads(): void {
    const { raft, leads, members } = this.#runtime.replica;
    if (leads) return;
    const leader = members.find(({ id }) => id === raft.leader);
    const text =
      leader === undefined
        ? "no leader is known at the moment; try again"
        : `${raft.id} does not lead; ask ${leader.id} at ${leader.address}`;
    throw new TqError("no_leader", text);
  }

  #outcomeOf(ask: (replica: NodeReplica, waiter: ChangeWaiter) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = (outcome: ChangeOutcome): void => {
        const error = errorOf(outcome);
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#runtime.input((replica) => ask(replica, waiter));
    });
  }
}

function errorOf(outcome: ChangeOutcome): TqError | undefined {
  switch (outcome.kind) {
    case "done":
      return undefined;
    case "refused":
      return new TqError(outcome.code, outcome.message);
    case "unknown":
      return new TqError("outcome_unknown", outcome.message);
    default:
      return unreachable(outcome);
  }
}
