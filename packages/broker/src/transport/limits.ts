/**
 * Every bound of the bus, and the grpc settings that follow from them.
 *
 * The defaults of grpc-js have no bound on session memory or on streams of a connection: a single
 * connection of unfinished streams grows such a server by hundreds of megabytes. So all are given.
 */
import type { ChannelOptions } from "@grpc/grpc-js";

const KIB = 1024;
const MIB = 1024 * KIB;

/** The largest message. An entry closes at 1 MiB, unless it holds one command, of at most 4 MiB. */
export const MESSAGE_BYTES_MAX = 8 * MIB;

/** Bytes of a node's name. */
export const NODE_ID_BYTES_MAX = 255;

/** What is kept of the version that a member says its program has. */
export const PROGRAM_CHARS_MAX = 64;

/** Members that a leader may name as sources of a snapshot. */
export const SNAPSHOT_SOURCES_MAX = 16;

/** Messages that wait for the same stream share frames of about this size. */
export const FRAME_BYTES = MIB;

/** What a frame may carry around its messages. */
const FRAME_SLACK_BYTES = 64 * KIB;

/** Bytes that may wait for one stream; a message that does not fit is dropped, and Raft resends. */
export const OUTBOX_BYTES_MAX = {
  control: MIB,
  append: 16 * MIB,
  forward: 16 * MIB,
} as const;

/**
 * Connections in all, and from one address: each member needs two, one while it greets, and one
 * while it fetches a snapshot.
 */
export const CONNECTIONS_MAX = 512;
export const CONNECTIONS_PER_ADDRESS_MAX = 128;

/** A stream that has not been welcomed after this is given up, its connection with it. */
export const HANDSHAKE_TIMEOUT_MS = 5000;

/** Exponential backoff with full jitter between attempts to reach a peer, for ever. */
export const RECONNECT_MIN_MS = 50;
export const RECONNECT_MAX_MS = 2000;

/**
 * A refusal needs a person, or news of who is a member, to change something. Asking again is cheap
 * but need not be quick, and who was removed for ever should ask less and less.
 */
export const REFUSED_RETRY_MIN_MS = 5000;
export const REFUSED_RETRY_MAX_MS = 60_000;

/** One attempt to greet a peer, before formation. */
export const GREET_TIMEOUT_MS = 2000;

/** One question of a member that has lost data: two changes of members may come of it. */
export const REJOIN_TIMEOUT_MS = 15_000;

/** One question about backups: its directory is read for the answer. */
export const BACKUPS_TIMEOUT_MS = 5000;

/**
 * How long a node that is to be added may take to come up. With the last attempt it is less than
 * the ten seconds for which callers wait: they are to hear what is wrong.
 */
export const NEWCOMER_PATIENCE_MS = 7000;

/** Pause between rounds of greetings. */
export const GREET_INTERVAL_MS = 200;

/** While formation waits, a log line says for what, and soon when that changes. */
export const WAITING_LOG_MS = 5000;
export const WAITING_FIRST_LOG_MS = 1000;

/** The same address is asked who the members are at most once in this time. */
export const INQUIRY_INTERVAL_MS = 1000;

/** Questions of that kind under way at the same time; more are not asked. */
export const INQUIRIES_MAX = 16;

/** Addresses of which it is remembered when they were asked. */
export const INQUIRY_ADDRESSES_MAX = 256;

/** Members that a document may list: more than make sense, and they fit the identity file. */
export const MEMBERS_MAX = 32;

/** Bytes of a chunk of a snapshot. The library holds up to 16 that its reader has not taken. */
export const SNAPSHOT_CHUNK_BYTES_MAX = MIB;

/** Bytes of a request for a snapshot. */
export const SNAPSHOT_REQUEST_BYTES_MAX = 64 * KIB;

/** Snapshots that a node sends at the same time. */
export const SNAPSHOTS_SENT_MAX = 2;

/** A snapshot of which nothing moves for this long is given up; the receiver may ask again. */
export const SNAPSHOT_IDLE_MS = 30_000;

/** After its end was announced, a stream of a snapshot that its reader does not read is cut off. */
export const SNAPSHOT_LINGER_MS = 1000;

/** A half-open connection is found after at most the sum of both. */
const KEEPALIVE_TIME_MS = 2000;
const KEEPALIVE_TIMEOUT_MS = 3000;

/** A connection of a closed channel that is still open after this is closed without a word. */
export const CLOSE_GRACE_MS = 1000;

/** A connection that carries no call is closed after this. */
const CONNECTION_IDLE_MS = 60_000;

const COMMON: ChannelOptions = {
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX + FRAME_SLACK_BYTES,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX + FRAME_SLACK_BYTES,
  "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
  "grpc.enable_channelz": 0,
};

export const SERVER_OPTIONS: ChannelOptions = {
  ...COMMON,
  "grpc.max_concurrent_streams": 16,
  "grpc.max_connection_idle_ms": CONNECTION_IDLE_MS,
  "grpc-node.max_session_memory": 32,
};

/**
 * - A pool of its own for each channel: otherwise channels to one target share one connection, and
 *   a heartbeat stands behind a megabyte of entries.
 * - No retries: the library would keep copies of what was sent to be able to send it again.
 * - No proxy and no service config by DNS: the environment of the process must not reroute the bus.
 * - No call outlives the end of its connection and none is drained at shutdown, so that a keepalive
 *   ping after GOAWAY has nothing to break.
 */
export const CHANNEL_OPTIONS: ChannelOptions = {
  ...COMMON,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_retries": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc-node.max_session_memory": 32,
};

/**
 * For the connection of a snapshot, in addition: with the 64 KiB that HTTP/2 begins with, a member
 * far away would get 64 KiB in each round trip.
 */
export const SNAPSHOT_CHANNEL_OPTIONS: ChannelOptions = {
  "grpc-node.flow_control_window": MIB,
};
