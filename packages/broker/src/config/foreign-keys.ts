/**
 * Keys and variables that guides of other queues name and this one does not have, with what serves
 * their purpose here: for the refusal of a file that has them, and for the page of all settings.
 */

/** By key as in a file. */
export const FOREIGN_KEYS: ReadonlyMap<string, string> = new Map([
  ["worker.count", "tasks at a time are worker.concurrency"],
  ["worker.connection_pool", "a worker needs one connection; more workers are more processes"],
  ["execution.timeout", "the longest run is timeout_ms of a task"],
  ["execution.concurrent_requests", "tasks at a time are worker.concurrency"],
  ["redis.addr", "the broker is the store; its own address is broker.host and broker.port"],
  ["circuit_breaker.cooldown_period", "this version has no circuit breaker; see the retry section"],
]);

/** Variables that nothing reads here. */
export const FOREIGN_VARIABLES: ReadonlyMap<string, string> = new Map([
  ["REDIS_ADDR", "where the brokers are: `TQ_BROKER_ADDR`, for tq-worker and tq-admin"],
  ["CIRCUIT_BREAKER__COOLDOWN_PERIOD", "nothing: this version has no circuit breaker"],
  ["JAEGER_HOST", "nothing: this version sends no traces"],
  ["JAEGER_PORT", "nothing: this version sends no traces"],
]);
