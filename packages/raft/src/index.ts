/** The public names of the package: the machine, its vocabulary, and how to print both. */
export {
  describeEntry,
  describeId,
  describeMessage,
  describeReady,
  describeStatus,
  readyParts,
} from "./describe.ts";
export {
  SUSPICION_CAMPAIGNS,
  SUSPICION_MS,
  SUSPICION_WAIT_MAX_MS,
  SUSPICION_WAIT_MIN_MS,
} from "./election-timer.ts";
export type { FetchedLog } from "./leader.ts";
export { ENTRY_OVERHEAD_BYTES } from "./log.ts";
export type {
  Append,
  AppendReply,
  Heartbeat,
  HeartbeatReply,
  InstallSnapshot,
  Message,
  MessageType,
  PreVote,
  PreVoteReply,
  ReadIndex,
  ReadIndexReply,
  TimeoutNow,
  Vote,
  VoteReply,
} from "./message.ts";
export { checkOptions, DEFAULTS, type RaftOptions, type RecoveredLog } from "./options.ts";
export { quorumSize } from "./quorum.ts";
export { Raft } from "./raft.ts";
export { MAX_WAITING_READS } from "./reads.ts";
export type {
  Leadership,
  LogRead,
  PersistBatch,
  ReadState,
  Ready,
  SnapshotFetch,
} from "./ready.ts";
export { SNAPSHOT_SOURCES_MAX } from "./snapshots.ts";
export type { MemberStatus, MembershipRefusal, TransferRefusal } from "./status.ts";
export { TRANSFER_MS_MAX } from "./transfer.ts";
export type {
  Entry,
  EntryId,
  EntryKind,
  HardState,
  LogIndex,
  Membership,
  NodeId,
  Role,
  SnapshotId,
  Term,
} from "./types.ts";
