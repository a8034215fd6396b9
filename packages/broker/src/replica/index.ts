/** The public names of the replica. */

export type { ClusterMember, Member } from "./members.ts";
export { decodeMembers, decodeMembership, encodeMembers } from "./members.ts";
export type { Attachment, ReplicaOptions, ReplicaSettings } from "./options.ts";
export type {
  Beacon,
  ContentLoad,
  Envelope,
  FlushMark,
  Forward,
  ForwardReply,
  Note,
  Outcome,
  Outputs,
  SessionOutput,
} from "./output.ts";
export { Replica } from "./replica.ts";
