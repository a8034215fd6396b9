/** Every bound of the worker port, by name, with what happens beyond it. */

import { SILENCE_MS_MAX } from "task-queue-protocol";

export interface WorkerPortLimits {
  /** From accept to an accepted `hello`; then the connection ends. */
  readonly helloMs: number;
  /** From the first to the last byte of a frame; then the connection ends. */
  readonly frameMs: number;
  /** Without a byte from the peer; then the connection ends. */
  readonly silenceMs: number;
  /** Sent bytes that the peer does not read: at this many the connection ends. */
  readonly outboundBytes: number;
  /** With bytes to send, next to none of them taken for so long: then the connection ends. */
  readonly stallMs: number;
  /**
   * Sent bytes waiting above which no further delivery or request of this connection is handled.
   */
  readonly outboundHighBytes: number;
  /** Submits and reports without an answer; beyond it the connection is not read for a while. */
  readonly openItems: number;
  /** The same in bytes of payloads and results. */
  readonly openBytes: number;
  /** Calls without an answer; a further one is answered `overloaded`. */
  readonly openCalls: number;
  /** How long answers may still go out after the broker has begun to close. */
  readonly closeMs: number;
}

export const WORKER_PORT_LIMITS: WorkerPortLimits = {
  helloMs: 5_000,
  frameMs: 10_000,
  silenceMs: SILENCE_MS_MAX,
  outboundBytes: 64 * 1024 * 1024,
  stallMs: 30_000,
  outboundHighBytes: 1024 * 1024,
  openItems: 16_384,
  openBytes: 16 * 1024 * 1024,
  openCalls: 256,
  closeMs: 1_000,
};

/** Connections are checked against their deadlines this often. */
export const SWEEP_MS = 500;

/** How long a connection too many is kept so that it can read why it is refused. */
export const TURN_AWAY_MS = 1_000;
/** So many are kept at a time; further ones are closed without a word. */
export const TURNED_AWAY_MAX = 100;

/** A `deliver` frame is closed at this size. */
export const DELIVER_FRAME_BYTES = 256 * 1024;

/** Texts of refusals are cut to this length. */
export const MESSAGE_LENGTH_MAX = 2_000;
