/**
 * Which parents a blocked task still waits for. A list shows how many they are, not which: where
 * that leaves a doubt, the broker is asked. What it said is remembered, up to a bound.
 */
import { type TaskJson, TqError } from "task-queue-client";

const KNOWN_MAX = 100_000;
const ASKED_AT_ONCE = 50;

/** Throws `not_found` for a task that it does not know. */
interface Tasks {
  get(id: string): TaskJson | Promise<TaskJson>;
}

export class LiveParents {
  readonly #client: Tasks;
  readonly #isLive = new Map<string, boolean>();

  constructor(client: Tasks) {
    this.#client = client;
  }

  async of({ depends_on = [], waits_for = 0 }: TaskJson): Promise<readonly string[]> {
    if (waits_for === 0 || waits_for === depends_on.length)
      return waits_for === 0 ? [] : depends_on;
    const live: string[] = [];
    for (let at = 0; at < depends_on.length; at += ASKED_AT_ONCE) {
      const some = depends_on.slice(at, at + ASKED_AT_ONCE);
      const answers = await Promise.all(some.map((id) => this.#ask(id)));
      live.push(...some.filter((_, i) => answers[i]));
    }
    return live;
  }

  async #ask(id: string): Promise<boolean> {
    const known = this.#isLive.get(id);
    if (known !== undefined) return known;
    const isLive = await this.#look(id);
    if (this.#isLive.size >= KNOWN_MAX) this.#isLive.clear();
    this.#isLive.set(id, isLive);
    return isLive;
  }

  async #look(id: string): Promise<boolean> {
    try {
      return (await this.#client.get(id)).finished_at === undefined;
    } catch (error) {
      // Only what has ended can be deleted.
      if (error instanceof TqError && error.code === "not_found") return false;
      throw error;
    }
  }
}
