/** Every bound of the checks of keys, by name, with what happens beyond it. */

/** Checks that wait for the thread; of more: `overloaded`. */
export const WAITING_MAX = 16;
/** The same of one address, so that one cannot take the places of all. */
export const WAITING_PER_ADDRESS_MAX = 4;

/** A key that was right is taken without a check for so long. */
export const FRESH_MS = 60_000;
/** A wrong key is refused without a check for so long: a program that has one comes often. */
export const WRONG_MS = 60_000;
/** Keys that were wrong; the oldest is forgotten, and is checked again when it comes. */
export const WRONG_MAX = 1_000;

/** Wrong keys of an address before it has to wait; each further one doubles the wait. */
export const FAILURES_FREE = 5;
export const DELAY_MS = 1_000;
export const DELAY_MS_MAX = 60_000;
/** After so long without a wrong key an address begins anew. */
export const FAILURES_MS = 600_000;
/** Addresses that are remembered; the one whose last wrong key is oldest is forgotten. */
export const ADDRESSES_MAX = 10_000;

/** Keys whose rates are kept; the one that came first is forgotten, and begins with its burst. */
export const BUCKETS_MAX = 10_000;
/** Names of keys that stand in a metric by themselves; refusals of others are counted together. */
export const LIMITED_NAMES_MAX = 64;
export const OTHER_NAMES = "(other)";

/**
 * Nonces of signed requests; of more: `overloaded`. With a window of 300 s that is some 3,000
 * signed requests a second, and 32 MiB at most.
 */
export const NONCES_MAX = 1_000_000;
/** They are forgotten by generations, of which a window has so many. */
export const NONCE_GENERATIONS = 8;
/** How far the clocks of signer and broker may be apart, where nothing is said. */
export const SIGNING_WINDOW_MS = 300_000;
/** Keys with ids that this node does not know, looked for at one time; of more: `overloaded`. */
export const LOOKS_MAX = 16;
