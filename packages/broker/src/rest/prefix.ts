/**
 * The versioned prefix of all routes. The same ones stand at the root, for short paths, and are the
 * same to whoever counts them.
 */
export const PREFIX = "/api/v1";
