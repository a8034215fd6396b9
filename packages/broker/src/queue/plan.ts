/**
 * What the earlier tasks of one command will have changed, for the check of the later ones: all of
 * a command's tasks are looked at before the first is made. A command of one task that has neither
 * unique key nor parents needs none.
 */
import { keyText } from "./keys.ts";
import { laneName } from "./lane.ts";
import { LINKS_PER_COMMAND_MAX } from "./limits.ts";
import { NONE } from "./live-table.ts";
import { ParentLookup } from "./parent-lookup.ts";
import type { QueueState } from "./state.ts";
import type { TaskContent, TaskId } from "./task.ts";
import type { Holder } from "./unique.ts";

export class Plan {
  readonly parents = new ParentLookup();
  /** The running task that the command completes, or NONE. */
  readonly ending: number;
  /** Tasks that give up their unique key to a new one: they are cancelled when all are made. */
  readonly replaced: TaskId[] = [];
  /** Content bytes of the tasks to be made, by id. */
  readonly #made = new Map<string, Uint8Array>();
  readonly #idempotencyKeys = new Map<string, TaskId>();
  readonly #uniqueKeys = new Map<string, TaskId>();
  /** By how much the number of unfinished tasks of a queue will have changed. */
  readonly #depths = new Map<string, number>();
  readonly #queues = new Set<string>();
  readonly #lanes = new Set<string>();
  readonly #groups = new Set<string>();
  #cut = 0;

  constructor(s: QueueState, ending = NONE) {
    this.ending = ending;
    if (ending === NONE) return;
    this.parents.completes(s.table.id(ending));
    this.#depths.set(s.lanes.laneOf(ending).queue.name, -1);
  }

  /** Queues, lanes and groups that are not there yet. */
  get newQueues(): number {
    return this.#queues.size;
  }

  get newLanes(): number {
    return this.#lanes.size;
  }

  get newGroups(): number {
    return this.#groups.size;
  }

  hasQueue(name: string): boolean {
    return this.#queues.has(name);
  }

  hasLane(content: TaskContent): boolean {
    return this.#lanes.has(laneText(content));
  }

  hasGroup({ queue, group }: TaskContent): boolean {
    return this.#groups.has(`${queue}\0${group}`);
  }

  depthOf(queue: string): number {
    return this.#depths.get(queue) ?? 0;
  }

  /** The content with which a task of this id will be made. */
  contentOf(id: TaskId): Uint8Array | undefined {
    return this.#made.size === 0 ? undefined : this.#made.get(keyText(id));
  }

  withIdempotencyKey({ queue, idempotencyKey }: TaskContent): TaskId | undefined {
    return this.#idempotencyKeys.get(`${queue}\0${idempotencyKey}`);
  }

  /** Who will have a unique key; the state of a task that is not made yet is not known. */
  holderOf(queue: string, key: string): Holder | undefined {
    const id = this.#uniqueKeys.get(`${queue}\0${key}`);
    return id === undefined ? undefined : { id, state: undefined, waits: true };
  }

  /** The task will be made. `isNew` says what of the places that it needs is not there yet. */
  add(
    id: TaskId,
    content: TaskContent,
    bytes: Uint8Array,
    isNew: { readonly queue: boolean; readonly lane: boolean; readonly group: boolean },
  ): void {
    const { queue, idempotencyKey, unique, group } = content;
    this.parents.willMake(id);
    this.#made.set(keyText(id), bytes);
    if (idempotencyKey !== "") this.#idempotencyKeys.set(`${queue}\0${idempotencyKey}`, id);
    if (unique !== undefined) this.#uniqueKeys.set(`${queue}\0${unique.key}`, id);
    if (isNew.queue) this.#queues.add(queue);
    if (isNew.lane) this.#lanes.add(laneText(content));
    if (isNew.group) this.#groups.add(`${queue}\0${group}`);
    this.#change(queue, 1);
  }

  /**
   * Counts the links of a task that is to be replaced; false = there are too many in all. One may
   * have as many as it has.
   */
  countCut(links: number): boolean {
    this.#cut += links;
    return this.#cut === links || this.#cut <= LINKS_PER_COMMAND_MAX;
  }

  /** A task of this queue will be cancelled for a new one. */
  replace(id: TaskId, queue: string): void {
    this.replaced.push(id);
    this.#change(queue, -1);
  }

  #change(queue: string, by: number): void {
    this.#depths.set(queue, this.depthOf(queue) + by);
  }
}

function laneText(content: TaskContent): string {
  return `${content.queue}\0${laneName(content)}`;
}
