/** What others may use of the broker: starting one inside a process of their own. */
export { type BrokerProcess, type BrokerProcessOptions, startBroker } from "./broker-process.ts";
export type { Config } from "./config/config.ts";
export { loadConfig } from "./config/load-config.ts";
export { createLogger, type NodeLogger } from "./observe/logger.ts";
