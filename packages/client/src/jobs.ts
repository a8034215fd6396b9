/** Changes of many tasks at once: the leader carries them out, whether or not anybody looks on. */
import type { JobJson, StartJobParams } from "task-queue-protocol";
import { uuidv7obj } from "uuidv7";
import { delay } from "./delay.ts";

export type JobFilter = NonNullable<StartJobParams["filter"]>;

export interface JobOptions {
  /** It counts what it would change, and changes nothing. */
  readonly dryRun?: boolean | undefined;
  /** Tasks a second at most; default: as quickly as it goes. */
  readonly perSecond?: number | undefined;
}

/** What jobs need of the client. */
export interface JobCalls {
  start(params: StartJobParams): Promise<JobJson>;
  list(): Promise<JobJson[]>;
  get(id: string): Promise<JobJson>;
  cancel(id: string): Promise<JobJson>;
}

const LOOK_MS = 300;
const NEVER = new AbortController().signal;

export class Jobs {
  readonly #calls: JobCalls;

  constructor(calls: JobCalls) {
    this.#calls = calls;
  }

  /** Without `status` a `retry` is of dead tasks. */
  start(
    kind: JobJson["kind"],
    filter: JobFilter = {},
    { dryRun, perSecond }: JobOptions = {},
  ): Promise<JobJson> {
    const id = uuidv7obj().toString();
    return this.#calls.start({
      id,
      kind,
      filter,
      ...(dryRun === undefined ? {} : { dry_run: dryRun }),
      ...(perSecond === undefined ? {} : { per_second: perSecond }),
    });
  }

  /** Those under way, and the newest of those that have ended. */
  list(): Promise<JobJson[]> {
    return this.#calls.list();
  }

  get(id: string): Promise<JobJson> {
    return this.#calls.get(id);
  }

  /** What it has changed stays changed. */
  cancel(id: string): Promise<JobJson> {
    return this.#calls.cancel(id);
  }

  /** The job once it has ended; `onProgress` hears of it now and then. */
  async wait(
    id: string,
    onProgress: (job: JobJson) => void = () => {},
    signal: AbortSignal = NEVER,
  ): Promise<JobJson> {
    for (;;) {
      const job = await this.#calls.get(id);
      onProgress(job);
      if (job.state !== "running") return job;
      await delay(LOOK_MS, signal);
    }
  }
}
