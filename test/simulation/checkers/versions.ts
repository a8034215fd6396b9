/**
 * Binaries of two versions in one cluster: what the older one does not know, it never writes, says
 * or goes on with; the cluster works with a newer version only once every member's record says that
 * it knows it, and never goes back.
 */
import type { Message, NodeId, PersistBatch } from "task-queue-raft";
import {
  clusterVersionOf,
  decodeRoster,
  type Roster,
  UNANNOUNCED,
} from "../../../packages/broker/src/replica/index.ts";
import type { Situations } from "../situations.ts";
import { demand } from "../violation.ts";

export class VersionChecker {
  /** The newest version that the binary knows that runs there. */
  readonly #maxOf: (id: NodeId) => number;
  readonly #situations: Situations;

  constructor(maxOf: (id: NodeId) => number, situations: Situations) {
    this.#maxOf = maxOf;
    this.#situations = situations;
  }

  handed(id: NodeId, { entries }: PersistBatch): void {
    for (const { kind, data } of entries) {
      if (kind === "membership") this.#knows(id, data, "writes");
    }
  }

  sent(id: NodeId, message: Message): void {
    if (message.type !== "append") return;
    for (const { kind, data } of message.entries) {
      if (kind === "membership") this.#knows(id, data, "sends");
    }
  }

  applied(id: NodeId, membership: Uint8Array): void {
    this.#knows(id, membership, "goes on with");
  }

  committed(before: Roster, roster: Roster): void {
    const version = clusterVersionOf(roster);
    const former = clusterVersionOf(before);
    demand(version >= former, "versions", () => {
      return `the cluster goes back from version ${former} to ${version}`;
    });
    for (const { id, versions = UNANNOUNCED } of roster.members) {
      // Afterwards a member may come back with an older binary, and say so before it stops.
      demand(version === former || versions.max >= version, "versions", () => {
        return `the cluster is raised to version ${version}, and ${id} knows ${versions.max}`;
      });
    }
    this.#note(before, roster);
  }

  #knows(id: NodeId, data: Uint8Array, deed: string): void {
    const version = clusterVersionOf(decodeRoster(data));
    demand(version <= this.#maxOf(id), "versions", () => {
      return `${id} ${deed} a roster of version ${version}, it knows ${this.#maxOf(id)}`;
    });
  }

  #note(before: Roster, roster: Roster): void {
    if (clusterVersionOf(roster) > clusterVersionOf(before)) {
      this.#situations.hit("cluster raised to a newer version");
    }
    const ranges = new Set(roster.members.map(({ versions = UNANNOUNCED }) => versions.max));
    if (ranges.size > 1) this.#situations.hit("members changed among binaries of two versions");
    const isCorrected = roster.members.some(({ incarnation, versions }) => {
      const known = before.members.find((each) => each.incarnation === incarnation);
      return known !== undefined && known.versions?.max !== versions?.max;
    });
    if (isCorrected) this.#situations.hit("record of a member's versions corrected");
  }
}
