/** What goes wrong in production, at the moment that a test chooses. */
import type { LoneBroker, RefusalOfWrites } from "task-queue-broker/testing";
import type { Worker } from "task-queue-worker";
import type { Lines } from "./lines.ts";
import type { TestClock } from "./test-clock.ts";

export interface Faults {
  /**
   * Cuts every connection. Clients come back by themselves, workers when the clock is moved:
   * within the next 200 ms.
   */
  dropConnections(): void;
  /**
   * Until the function that it answers is called this worker reaches no broker: `leaseMs` later
   * its leases lapse, and another worker gets its tasks.
   */
  cutOff(worker: Worker): () => void;
  /**
   * The next `count` submits, of one task or of several together, are refused with this code:
   * `no_leader` and `overloaded` are tried again by the client, `disk_full` is thrown.
   */
  refuseSubmits(code: RefusalOfWrites, count?: number): void;
  /**
   * The leader crashes, and there is none for `forMs` on the test's clock; then one starts from
   * what was on disk. Resolves when it has crashed.
   */
  loseLeader(forMs: number): Promise<void>;
}

export function createFaults(lone: LoneBroker, clock: TestClock, lines: Lines): Faults {
  return {
    dropConnections: () => lone.cut(),
    cutOff: (worker) => lines.cutOff(worker),
    refuseSubmits: (code, count = 1) => {
      for (let more = count; more > 0; more--) lone.refuseNext(code);
    },
    loseLeader: async (forMs) => {
      await lone.crash();
      clock.after(forMs, () => clock.hold(lone.restart()));
    },
  };
}
