/** The public names of the replica. */

export type { ClusterMember, Member, Roster } from "./members.ts";
export { decodeMembership, decodeRoster, encodeRoster, rosterOf } from "./members.ts";
export type {
  Attachment,
  ReceivedSnapshot,
  ReplicaOptions,
  ReplicaSettings,
} from "./options.ts";
export type {
  Beacon,
  ChangeOutcome,
  ContentLoad,
  Divergence,
  Envelope,
  FlushMark,
  Forward,
  ForwardReply,
  MemberChange,
  Note,
  Outcome,
  Outputs,
  SessionOutput,
} from "./output.ts";
export { nextRejoinStep, type RejoinRequest, type RejoinStep } from "./rejoin.ts";
export { Replica } from "./replica.ts";
export {
  clusterVersionOf,
  SUPPORTED,
  TooNew,
  UNANNOUNCED,
  type VersionRange,
} from "./versions.ts";
