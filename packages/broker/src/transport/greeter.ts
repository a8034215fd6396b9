/**
 * How a node answers the greetings of others: with who it is and, for a member of its cluster, who
 * the members are; for anybody else, with what a person has to do about it.
 */
import type { Formation } from "../ports.ts";
import type { Greeter } from "./bus-server.ts";
import { readFormation } from "./document.ts";
import { announce, judgeForm, type PeerView, refusalOf, type Seeker } from "./formation.ts";
import { lists, otherCluster, strangerTrouble } from "./handshake.ts";
import type { Announcement, GreetReply, GreetRequest } from "./raft-service.ts";

/** Answers for a member of a cluster. `formation` is asked each time: members change. */
export function memberGreeter(
  self: Seeker,
  formation: () => Formation,
  onGreeting: (from: Announcement) => void = () => {},
): Greeter {
  return {
    greet: (request) => {
      if (request.from !== null) onGreeting(request.from);
      return replyTo(request, self, [], formation());
    },
    form: async (request) => {
      if (request.formation === null) return { verdict: "REFUSED", reason: "no document" };
      return judgeForm(self, [], formation(), readFormation(request.formation));
    },
  };
}

/** The answer to one greeting. */
export function replyTo(
  { from: asker }: GreetRequest,
  self: Seeker,
  views: readonly PeerView[],
  formation: Formation | undefined,
): GreetReply {
  const from = announce(self, views, formation);
  if (formation === undefined || asker?.member == null) {
    return { from, formation: null, refusal: "" };
  }
  if (asker.clusterId !== "" && asker.clusterId !== formation.clusterId) {
    const other = { nodeId: asker.member.id, clusterId: asker.clusterId };
    const own = { nodeId: self.member.id, clusterId: formation.clusterId };
    return { from, formation: null, refusal: otherCluster(other, own) };
  }
  if (lists(formation, asker.member)) return { from, formation, refusal: "" };
  return { from, formation: null, refusal: refusalFor(asker, self, formation) };
}

function refusalFor(asker: Announcement, self: Seeker, formation: Formation): string {
  if (asker.clusterId === "") return refusalOf(formation, asker.member);
  const { id: nodeId, incarnation } = asker.member;
  const stranger = { nodeId, incarnation, revision: asker.revision };
  const own = { nodeId: self.member.id, clusterId: formation.clusterId };
  return strangerTrouble(stranger, own, formation);
}
