/**
 * Bounds of the gRPC listener, and the settings of the library that follow from them. By default
 * grpc-js bounds neither the streams of a connection nor its memory, and keeps silent connections
 * for ever. So all of it is given.
 */
import type { ServerOptions } from "@grpc/grpc-js";
import { ATOMIC_BYTES_MAX, BATCH_TASKS_MAX } from "../operations/limits.ts";
import type { UnderWayLimits } from "./under-way.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** What a message carries around the payload of its one task. */
const TASK_OVERHEAD_BYTES = 128 * KIB;

export const CONNECTIONS_MAX = 1000;
/** One address leaves room for others, even if it is a load balancer's. */
export const CONNECTIONS_PER_ADDRESS_MAX = 750;
/** Calls of one connection at a time; further ones wait at the client. */
const CALLS_PER_CONNECTION_MAX = 100;
/** Of one connection: messages on their way in at a time; further calls wait. */
export const INCOMING_PER_CONNECTION_MAX = 8;
/**
 * Memory for messages that have come and are not answered, in whole or in part, over all
 * connections. Beyond it, who sends most without ending it is ended: `overloaded`.
 */
const UNDER_WAY_BYTES_MAX = 128 * MIB;
/** What a call takes that has sent nothing but its headers. */
export const CALL_BYTES = 8 * KIB;
/** Of one connection: calls that stream messages in; of more: `overloaded`. */
export const STREAMS_PER_CONNECTION_MAX = 8;
/** Begun calls take at most so much of a turn of the event loop; the others come in the next. */
export const BEGIN_MS_MAX = 5;
/** Calls that wait to be begun, over all connections; of more, one is refused before its turn. */
export const WAITING_MAX = 2_000;
/**
 * Calls that a connection may take back before they are answered: so many at once, and then so many
 * in a second. Deadlines and programs that end do that. nghttp2 itself bears 1,000 and 33, and then
 * leaves the connection open without listening to it; these are less, so that it is cut.
 */
export const TAKEN_BACK_MAX = 900;
export const TAKEN_BACK_PER_SECOND = 30;
/**
 * Of them, those that are taken back before their turn, without a byte of a message, which no
 * client does that wants something; what is no POST counts as such, too. Twice as many as a
 * connection may have at a time.
 */
export const BARE_CALLS_MAX = 200;
export const BARE_CALLS_PER_SECOND = 50;
/** Who was cut owes so much for each call that he took back before it was begun. */
export const TAKEN_BACK_COST_MS = 0.1;
/** An address pays back with this share of the time that passes; it may owe a little. */
export const DEBT_SHARE = 0.02;
export const DEBT_CREDIT_MS = 50;
/** Beyond, and for no longer than this, its new connections wait in line. */
export const DEBT_MS_MAX = 30_000;
/** From one that is let in to the next. */
export const NEXT_IN_LINE_MS = 100;
/** Addresses whose debts are remembered; the one whose last is oldest is forgotten. */
export const DEBTORS_MAX = 1_000;
/** Fields of one message, those of messages inside it included; of more: `too_large`. */
export const PARTS_MAX = 262_144;
/** Messages in one message, not counting those inside of them; of more: `too_large`. */
export const REPEATED_MAX = 10 * BATCH_TASKS_MAX;
/** MiB that the HTTP/2 layer may hold for one connection; beyond, new calls on it are refused. */
const SESSION_MIB_MAX = 16;

/** From accepting a connection to its first bytes. */
export const FIRST_BYTES_MS = 10_000;
/** From the headers of a call to the end of its one message; of each message of a stream. */
const REQUEST_MS_MAX = 30_000;
/** How often that is looked at, and what calls have sent that nobody reads yet. */
export const REQUEST_LOOK_MS = 250;
/** Who was refused, and takes no notice, loses its connection after this. */
export const REFUSED_MS_MAX = 5_000;
/** A connection without calls is closed after this: load balancers keep theirs for less. */
const CONNECTION_IDLE_MS = 5 * 60_000;
/** A connection is used anew no longer than this, so that clients spread over brokers again. */
const CONNECTION_AGE_MS = 60 * 60_000;
/** What is still under way on such a connection then ends, and can be resumed. */
const CONNECTION_AGE_GRACE_MS = 5 * 60_000;
/** A half-open connection is found after at most the sum of both. */
const KEEPALIVE_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;

/** Submits of one stream that are not answered yet, and their bytes: more are not read. */
export const UNANSWERED_MAX = 1_024;
export const UNANSWERED_BYTES_MAX = MIB;
/** Submit streams of this node at a time; of more: `overloaded`. */
export const SUBMIT_STREAMS_MAX = 100;

/** Events in one message of a watch. */
export const EVENTS_PER_MESSAGE = 100;
/** A watch of which nothing happens says so this often. */
export const WATCH_KEEP_ALIVE_MS = 15_000;
/** A reader that takes nothing for so long is cut off. */
export const STALL_MS_MAX = 30_000;

/** How often readiness is looked at for those who watch it. */
export const HEALTH_LOOK_MS = 250;

/** How long a close waits for calls in hand before it cuts their connections. */
export const CLOSE_GRACE_MS = 5_000;

/** Bytes of a status message, which travels in a header; its beginning is kept. */
export const STATUS_MESSAGE_BYTES_MAX = KIB;

export const UNDER_WAY: UnderWayLimits = { bytes: UNDER_WAY_BYTES_MAX, ms: REQUEST_MS_MAX };

/** One task with the largest payload, or a batch of tasks that are made together. */
export function messageBytesMax(maxPayloadBytes: number): number {
  return Math.max(ATOMIC_BYTES_MAX, maxPayloadBytes) + TASK_OVERHEAD_BYTES;
}

export function serverOptions(maxPayloadBytes: number): ServerOptions {
  return {
    "grpc.max_receive_message_length": messageBytesMax(maxPayloadBytes),
    "grpc.max_concurrent_streams": CALLS_PER_CONNECTION_MAX,
    "grpc.max_connection_idle_ms": CONNECTION_IDLE_MS,
    "grpc.max_connection_age_ms": CONNECTION_AGE_MS,
    "grpc.max_connection_age_grace_ms": CONNECTION_AGE_GRACE_MS,
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc.enable_channelz": 0,
    "grpc-node.max_session_memory": SESSION_MIB_MAX,
  };
}
