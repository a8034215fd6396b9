/**
 * What a program needs to speak the worker protocol by itself: dial, handshake, keep-alive,
 * requests with answers, and a link that goes from broker to broker. The client and the worker
 * library are built on it.
 */

export { demandMiddleware, runThrough } from "../middleware.ts";
export { validate } from "../standard-schema.ts";
export { frameBytes, type SubmitOptions, toSubmitTask } from "../submit-task.ts";
export {
  type Address,
  DEFAULT_PORT,
  formatAddress,
  parseAddress,
  parseServers,
} from "./address.ts";
export { Connection, type ConnectionEvents, type OnAnswer, toError } from "./connection.ts";
export { type ApiKey, type DialOptions, dial } from "./dial.ts";
export { Link, type LinkEvents, type LinkOptions } from "./link.ts";
export { Route } from "./route.ts";
export { checkTls, isClosed, readTlsFiles, type TlsOptions, type TlsPaths } from "./tls.ts";
