/** tq for the tests of applications: a broker in the test's own process. */
export type { Faults } from "./faults.ts";
export { type HandlerRun, runHandler } from "./run-handler.ts";
export {
  createTestBroker,
  type SubmittedTask,
  type TestBroker,
  type TestBrokerOptions,
  type TestWorkerOptions,
} from "./test-broker.ts";
export type { TestClock } from "./test-clock.ts";
