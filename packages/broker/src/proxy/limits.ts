/** Bounds of what load balancers say of their clients. */

/** The longest header, with all that may stand behind the addresses. */
export const HEADER_BYTES_MAX = 4096;
/** From accepting a connection to the end of its header. */
export const HEADER_MS_MAX = 5_000;
/** Connections whose header is not there yet; a further one takes the place of the oldest. */
export const WAITING_MAX = 1024;
