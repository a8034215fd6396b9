/** Work for the cluster while it is being broken: a steady stream of tasks, and who does them. */
import type { AdminClient, Io } from "../io.ts";
import { startOwnWorker } from "../load/own-worker.ts";
import type { Ledger } from "./ledger.ts";
import { RECOVER_MS, SUBMIT_MS, UNANSWERED_MAX } from "./limits.ts";
import { connectTo } from "./trial-cluster.ts";

export const QUEUE = "selftest";
const TYPE = "selftest";
const TICK_MS = 10;
const CONCURRENCY = 16;
const PADDING = "x".repeat(200);

export interface LoadPayload {
  readonly n: number;
  readonly padding: string;
}

export class Load {
  readonly #ledger: Ledger;
  readonly #io: Io;
  readonly #client: AdminClient;
  readonly #servers: string;
  readonly #perSecond: number;
  readonly #open = new Set<Promise<void>>();
  readonly #over = new AbortController();
  #stream: Promise<void> = Promise.resolve();
  #worker: Awaited<ReturnType<typeof startOwnWorker>> | undefined;

  constructor(io: Io, servers: string, perSecond: number, ledger: Ledger) {
    this.#io = io;
    this.#ledger = ledger;
    this.#servers = servers;
    this.#perSecond = perSecond;
    this.#client = connectTo(io, servers, SUBMIT_MS, false);
  }

  async start(): Promise<void> {
    this.#worker = await startOwnWorker({
      servers: this.#servers,
      apiKey: "",
      tls: undefined,
      queue: QUEUE,
      type: TYPE,
      concurrency: CONCURRENCY,
      withinMs: RECOVER_MS,
      handle: (payload) => {
        const { n } = payload as LoadPayload;
        this.#ledger.handle(n);
        return n;
      },
    });
    this.#stream = this.#submitAll();
  }

  /** Nothing more is submitted; resolves when all that was has its answer. */
  async end(): Promise<void> {
    this.#over.abort();
    await this.#stream;
    await Promise.all(this.#open);
  }

  async close(): Promise<void> {
    this.#over.abort();
    await this.#worker?.stop({ graceMs: 0, abortMs: 0 });
    await this.#client.close();
  }

  async #submitAll(): Promise<void> {
    const start = performance.now();
    const signal = this.#over.signal;
    for (let due = 0; !signal.aborted; ) {
      const until = ((performance.now() - start) / 1_000) * this.#perSecond;
      for (; due < until; due++) if (this.#open.size < UNANSWERED_MAX) this.#submitOne();
      await this.#io.sleep(TICK_MS, signal);
    }
  }

  #submitOne(): void {
    const n = this.#ledger.next();
    const payload: LoadPayload = { n, padding: PADDING };
    const submit = this.#client
      .submit(TYPE, payload, { queue: QUEUE })
      .then(
        ({ id }) => this.#ledger.acknowledge(id, n),
        // Why is of no concern: only what was promised is to be held against the cluster.
        () => this.#ledger.failed(n),
      )
      .finally(() => this.#open.delete(submit));
    this.#open.add(submit);
  }
}
