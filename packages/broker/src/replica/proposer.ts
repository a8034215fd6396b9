/**
 * Turns the writes that wait into log entries: on the leader all of them, with what office and
 * dispatcher want, into one entry; elsewhere by sending them to the leader. While the office is
 * being handed over they wait here, and go to the new leader once there is one.
 */
import type { EntryId, Raft } from "task-queue-raft";
import {
  type Command,
  encodeBatch,
  type NewTask,
  PLAIN_BACKOFF,
  type RetryPolicy,
  withWish,
} from "../queue/index.ts";
import type { ClusterClock } from "./clock.ts";
import { fillEntry, sizeOf, type Weighed } from "./entry-size.ts";
import { ENTRIES_UNCOMMITTED_MAX } from "./limits.ts";
import type { Machinery } from "./machinery.ts";
import type { ReplicaSettings } from "./options.ts";
import type { Forward } from "./output.ts";
import type { Requests } from "./requests.ts";

export class Proposer<W> {
  readonly #raft: Raft;
  readonly #clock: ClusterClock;
  readonly #settings: ReplicaSettings;
  readonly #requests: Requests<W>;
  /** What was completed last: it may not have fitted, and is then the first of the next entry. */
  #last: (Weighed & { readonly of: Command; readonly version: number }) | undefined;

  constructor(raft: Raft, clock: ClusterClock, settings: ReplicaSettings, requests: Requests<W>) {
    this.#raft = raft;
    this.#clock = clock;
    this.#settings = settings;
    this.#requests = requests;
  }

  /** False: not before a transfer has ended, or entries under way are committed. */
  get mayPropose(): boolean {
    const { transferee, lastIndex, commit } = this.#raft;
    return transferee === undefined && lastIndex - commit < ENTRIES_UNCOMMITTED_MAX;
  }

  /**
   * Whether an entry was proposed. Only on the leader, while it may, and no earlier one is being
   * written.
   */
  propose({ queue, office, dispatcher }: Machinery, now: number): boolean {
    if (office.mustOpen) {
      const id = this.#proposeBatch([{ type: "takeOffice" }]);
      if (id !== undefined) office.opened();
      return id !== undefined;
    }
    const commands = fillEntry(this.#completed(queue.version));
    const requested = commands.length;
    const demands = office.demands(now);
    commands.push(...demands);
    commands.push(...dispatcher.leases(commands));
    if (commands.length === 0) return false;
    const id = this.#proposeBatch(commands);
    if (id === undefined) {
      dispatcher.leasesDropped(commands);
      return false;
    }
    this.#requests.markProposed(requested, id);
    office.proposed(demands, id.index);
    return true;
  }

  /** What this node's callers want of the leader, who is another node. */
  forwards(now: number): Forward[] {
    return this.#requests.queued.length === 0 ? [] : this.#requests.takeForwards(now);
  }

  #proposeBatch(commands: readonly Command[]): EntryId | undefined {
    const id = this.#raft.propose(encodeBatch({ at: this.#clock.read(), commands }));
    return typeof id === "string" ? undefined : id;
  }

  /** Those that wait, as they would stand in the log: the leader's settings weigh something too. */
  *#completed(version: number): Generator<Weighed> {
    for (const { command: of, bytes } of this.#requests.queued) {
      if (this.#last?.of !== of || this.#last.version !== version) {
        const command = this.#complete(of, version);
        const size = command === of ? bytes : sizeOf(command);
        this.#last = { of, version, command, bytes: size };
      }
      yield this.#last;
    }
  }

  /** Fills in what the leader decides, so that apply reads no settings of its own. */
  #complete(command: Command, version: number): Command {
    const complete = <T extends NewTask>(task: T): T => this.#completeTask(task, version);
    if (command.type === "submit") return complete(command);
    if (command.type === "submitAll") return { ...command, tasks: command.tasks.map(complete) };
    if (command.type !== "complete" || command.children === undefined) return command;
    return { ...command, children: command.children.map(complete) };
  }

  #completeTask<T extends NewTask>(task: T, version: number): T {
    const { content } = task;
    const retry = withWish(this.#policyOf(content.type, version), content.retry);
    const { depthLimit } = this.#settings;
    // As this node's own doors made it; what another node forwards has that node's settings.
    if (task.retry === retry && task.depthLimit === depthLimit) return task;
    return { ...task, retry, depthLimit };
  }

  #policyOf(type: string, version: number): RetryPolicy {
    const { retry, retryOfTypes } = this.#settings;
    const wish = retryOfTypes?.get(type);
    if (wish === undefined) return retry;
    // Programs before version 3 could not read another backoff.
    return version >= 3 ? withWish(retry, wish) : { ...retry, ...wish, ...PLAIN_BACKOFF };
  }
}
