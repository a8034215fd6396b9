/** One queue as an operator holds it: how it stands, and what is said of it. */
import type { ConfigureQueueParams, QueueJson } from "task-queue-protocol";

/** What is left out is as for a queue that nobody has said anything of. */
export type QueueSettings = NonNullable<ConfigureQueueParams["settings"]>;

export interface SetOptions {
  /** `revision` of the queue that was looked at: throws `state_conflict` if it has another one. */
  readonly ifRevision?: number | undefined;
}

/** What a handle needs of the client. */
export interface QueueCalls {
  get(name: string): Promise<QueueJson>;
  configure(params: ConfigureQueueParams): Promise<QueueJson>;
  delete(name: string): Promise<void>;
}

export class QueueHandle {
  readonly name: string;
  readonly #calls: QueueCalls;

  constructor(calls: QueueCalls, name: string) {
    this.#calls = calls;
    this.name = name;
  }

  /** Throws `not_found` before its first task or setting. */
  get(): Promise<QueueJson> {
    return this.#calls.get(this.name);
  }

  /** Replaces all settings. */
  set(settings: QueueSettings, { ifRevision }: SetOptions = {}): Promise<QueueJson> {
    const condition = ifRevision === undefined ? {} : { if_revision: ifRevision };
    return this.#change({ settings, ...condition });
  }

  /** Nothing of it begins; what runs goes on. */
  pause(): Promise<QueueJson> {
    return this.#change({ paused: true });
  }

  resume(): Promise<QueueJson> {
    return this.#change({ paused: false });
  }

  /** Nothing is taken in; what is there goes on. */
  drain(): Promise<QueueJson> {
    return this.#change({ draining: true });
  }

  undrain(): Promise<QueueJson> {
    return this.#change({ draining: false });
  }

  /** Throws `state_conflict` as long as any task is in it, finished ones too. */
  delete(): Promise<void> {
    return this.#calls.delete(this.name);
  }

  #change(change: Omit<ConfigureQueueParams, "name">): Promise<QueueJson> {
    return this.#calls.configure({ name: this.name, ...change });
  }
}
