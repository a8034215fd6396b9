/** One broker inside a test: for the package `task-queue-testing`, which is for applications. */
export type { Clock, Timer } from "../clock.ts";
export {
  LoneBroker,
  type LoneBrokerOptions,
  type OpenDoors,
  type RefusalOfWrites,
} from "./lone-broker.ts";
