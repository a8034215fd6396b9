/** What a fake node answers straight from the queue machine. */
import type { QueueMachine, TaskId } from "../../src/queue/index.ts";

export class MachineReads {
  readonly #machine: QueueMachine;

  constructor(machine: QueueMachine) {
    this.#machine = machine;
  }

  async errorGroups(): Promise<readonly []> {
    return [];
  }

  queues() {
    return this.#machine.queues();
  }

  queue(name: string) {
    return this.#machine.queue(name);
  }

  jobs() {
    return this.#machine.jobs();
  }

  job(id: TaskId) {
    return this.#machine.job(id);
  }

  sessions() {
    return this.#machine.sessions();
  }

  counts() {
    return this.#machine.counts();
  }
}
