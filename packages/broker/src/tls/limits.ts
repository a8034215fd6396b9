/**
 * Bounds of TLS: what handshakes may cost, and how long things take. A handshake is the one thing
 * that a stranger can make this process compute for, so it is paced and never merely counted.
 */

/** From accept to a connection that is encrypted; then it is cut. Node's own default is 120 s. */
export const HANDSHAKE_MS_MAX = 5_000;
/** Connections without a finished handshake: in all, and from one address. */
export const HANDSHAKES_MAX = 512;
export const HANDSHAKES_PER_ADDRESS_MAX = 32;
/** How often deadlines are looked at. */
export const SWEEP_MS = 500;

/** Of the event loop's time, at most so much goes into handshakes: 40 with RSA in a second. */
export const LOOP_SHARE_MAX = 0.2;
/** A signature with RSA-4096 takes 4.84 ms, one with P-256 a tenth of a handshake's rest. */
export const RSA_HANDSHAKE_MS = 5;
export const EC_HANDSHAKE_MS = 0.5;
/** Beyond that share, handshakes that come together may take so much of the loop at once. */
export const BURST_MS = 5;

/** Who replaces files writes more than one; what follows within this belongs together. */
export const SETTLE_MS = 200;
/** Whatever the watch of a directory has missed is found after this, and expiry is looked at. */
export const LOOK_MS = 3_600_000;
/** Days before expiry at which the log says so. */
export const WARN_DAYS: readonly number[] = [30, 7, 1];
/** What is left of the time of a list of revoked certificates when the log says so. */
export const LIST_WARN_SHARES: readonly number[] = [1 / 4, 1 / 20, 0];
/** Larger than any certificate, key or bundle of authorities. */
export const FILE_BYTES_MAX = 1024 * 1024;
