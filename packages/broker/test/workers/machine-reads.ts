/** What a fake node answers straight from the queue machine. */
import {
  childrenRange,
  idOfFinishedKey,
  type QueueMachine,
  type TaskId,
} from "../../src/queue/index.ts";

export class MachineReads {
  readonly #machine: QueueMachine;

  constructor(machine: QueueMachine) {
    this.#machine = machine;
  }

  async errorGroups(): Promise<readonly []> {
    return [];
  }

  async graphNode(id: TaskId) {
    return this.#machine.graphNode(id);
  }

  async children(id: TaskId, limit: number): Promise<readonly TaskId[]> {
    const rows = this.#machine.historyOverlay(childrenRange(id));
    const there = rows.filter(({ value }) => value !== undefined);
    return there.slice(0, limit).map(({ key }) => idOfFinishedKey(key));
  }

  queues() {
    return this.#machine.queues();
  }

  queue(name: string) {
    return this.#machine.queue(name);
  }

  depthLimit(name: string) {
    return this.#machine.depthLimit(name);
  }

  jobs() {
    return this.#machine.jobs();
  }

  job(id: TaskId) {
    return this.#machine.job(id);
  }

  accessKeys() {
    return this.#machine.accessKeys();
  }

  accessKey(id: string) {
    return this.#machine.accessKey(id);
  }

  sessions() {
    return this.#machine.sessions();
  }

  counts() {
    return this.#machine.counts();
  }

  totals() {
    return this.#machine.totals();
  }
}
