/**
 * Who the other members are and where they listen, as the bus knows it. The replica's word comes
 * first, but it is only as new as its log: a node that was away while the others were replaced one
 * by one would know nobody, and refuse all who could tell it. So a newer roster may be learned from
 * a member, too. It serves to reach members and to let them in; Raft never hears of it.
 *
 * Invariant: the revision never falls. Of two rosters of one revision, the replica's is the right
 * one: the other one may have come from a leader that was deposed before it was committed.
 */
import type { NodeId } from "task-queue-raft";
import type { ClusterMember, Formation, Roster } from "../ports.ts";
import { lists } from "./handshake.ts";

export class AddressBook {
  readonly clusterId: string;
  readonly #self: { readonly id: NodeId; readonly incarnation: string };
  #roster: Roster;

  constructor(
    { clusterId, ...roster }: Formation,
    self: { readonly id: NodeId; readonly incarnation: string },
  ) {
    this.clusterId = clusterId;
    this.#self = self;
    this.#roster = roster;
  }

  get roster(): Roster {
    return this.#roster;
  }

  get formation(): Formation {
    return { clusterId: this.clusterId, ...this.#roster };
  }

  /** Whether this node is a member as it is now. */
  get listsSelf(): boolean {
    return lists(this.#roster, this.#self);
  }

  /** The others that may be reached; none once this node was removed. */
  get others(): readonly ClusterMember[] {
    if (!this.listsSelf) return [];
    return this.#roster.members.filter((member) => member.id !== this.#self.id);
  }

  /** The replica says so. False if a newer one is known. */
  set(roster: Roster): boolean {
    if (roster.revision < this.#roster.revision) return false;
    this.#roster = roster;
    return true;
  }

  /** Another member says so. False if it is no news. */
  learn(formation: Formation): boolean {
    if (formation.clusterId !== this.clusterId) return false;
    if (formation.revision <= this.#roster.revision) return false;
    if (!lists(formation, this.#self)) return false;
    const { clusterId: _, ...roster } = formation;
    this.#roster = roster;
    return true;
  }
}
