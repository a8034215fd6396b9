/** A list of tasks: await it for one page, or iterate over it for all of them, page by page. */
import type { ListJson, ListParams, TaskJson } from "task-queue-protocol";

export type ListFilter = Omit<ListParams, "cursor">;

export interface TaskPage {
  readonly tasks: readonly TaskJson[];
  /** Give it as `cursor` to go on; undefined = this was the last page. */
  readonly next: string | undefined;
}

export class TaskList implements AsyncIterable<TaskJson>, PromiseLike<TaskPage> {
  readonly #fetch: (cursor: string | undefined) => Promise<ListJson>;
  readonly #cursor: string | undefined;

  constructor(
    fetch: (cursor: string | undefined) => Promise<ListJson>,
    cursor: string | undefined,
  ) {
    this.#fetch = fetch;
    this.#cursor = cursor;
  }

  // biome-ignore lint/suspicious/noThenProperty: being awaitable is what this class is for
  then<A = TaskPage, B = never>(
    onPage?: ((page: TaskPage) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#page(this.#cursor).then(onPage, onError);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TaskJson, void, undefined> {
    let cursor = this.#cursor;
    do {
      const page = await this.#page(cursor);
      yield* page.tasks;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  async #page(cursor: string | undefined): Promise<TaskPage> {
    const { tasks, next_cursor } = await this.#fetch(cursor);
    return { tasks, next: next_cursor ?? undefined };
  }
}
