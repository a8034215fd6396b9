/**
 * A connection that is kept: when it ends, or its broker asks to go elsewhere, another broker is
 * dialled, for ever, until `close()`. At most one connection is current at a time.
 */
import { type Message, TqError } from "task-queue-protocol";
import { formatAddress, parseServers } from "./address.ts";
import type { Connection } from "./connection.ts";
import { type DialOptions, dial } from "./dial.ts";
import { Route } from "./route.ts";

export interface LinkOptions extends DialOptions {
  /** `host:port`, several with commas between them, or a list. */
  readonly servers: string | readonly string[];
  /** Only `servers`: a broker's word on where to go instead is not followed. */
  readonly stay?: boolean | undefined;
  readonly random?: (() => number) | undefined;
}

/** Every call comes in a turn of its own caller; none may throw. */
export interface LinkEvents {
  onUp(connection: Connection): void;
  /** The current connection is gone or was left; the next one is being dialled. */
  onDown(error: Error | undefined): void;
  /** A message that answers no request, of the current connection or one that was left. */
  onMessage(connection: Connection, message: Message, requestId: number): void;
  /** A try was in vain; the next follows after `delayMs`. */
  onFailedTry(address: string, error: Error, delayMs: number): void;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  readonly #route: Route;
  readonly #stop = new AbortController();
  readonly #open = new Set<Connection>();
  #current: Connection | undefined;
  #refusal: TqError | undefined;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;

  /** Throws `TqError` when an address is malformed. Nothing is dialled before `start()`. */
  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    this.#route = new Route(parseServers(options.servers), options.random);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** The connection in use; undefined while there is none. */
  get connection(): Connection | undefined {
    return this.#current?.isOpen === true ? this.#current : undefined;
  }

  /** Why the last broker refused the handshake for good, until one accepts it. */
  get refusal(): TqError | undefined {
    return this.#refusal;
  }

  /**
   * Leaves the current connection for this address, or the next of the list when it is empty. The
   * old connection stays open until its answers have come.
   */
  redirect(address: string): void {
    this.#hint(address);
    this.#leave(undefined);
  }

  /** The connection does what it is for: the next loss is answered without waiting. */
  settled(): void {
    this.#route.succeeded();
  }

  /** Ends every connection and resolves when nothing is left. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    for (const connection of this.#open) connection.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const delayMs = this.#route.delayMs();
      if (delayMs > 0) await this.#sleep(delayMs);
      if (this.#stop.signal.aborted) return;
      await this.#try();
    }
  }

  async #try(): Promise<void> {
    const address = this.#route.next();
    // Counted before, and forgotten by `settled()`: a broker that accepts and drops at once, or one
    // that accepts and does not lead, is a try in vain as well.
    this.#route.triedInVain();
    try {
      const connection = await dial(address, this.#options, this.#stop.signal);
      await this.#use(connection);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#refusal = error instanceof TqError && !error.retryable ? error : undefined;
      const delayMs = this.#route.delayMs();
      this.#events.onFailedTry(formatAddress(address), error as Error, delayMs);
    }
  }

  /** Resolves when the connection is current no longer. */
  #use(connection: Connection): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#refusal = undefined;
      this.#current = connection;
      this.#open.add(connection);
      connection.start({
        onMessage: (message, requestId) => this.#receive(connection, message, requestId),
        onClose: (error) => {
          this.#open.delete(connection);
          if (this.#current === connection) this.#leave(error);
        },
      });
      if (this.#current === connection) this.#events.onUp(connection);
    });
  }

  #receive(connection: Connection, message: Message, requestId: number): void {
    if (message.kind === "terminate" && this.#current === connection) {
      this.#hint(message.address);
      this.#leave(undefined);
    }
    this.#events.onMessage(connection, message, requestId);
  }

  #hint(address: string): void {
    if (this.#options.stay !== true) this.#route.hint(address);
  }

  #leave(error: Error | undefined): void {
    const left = this.#current;
    if (left === undefined) return;
    this.#current = undefined;
    this.#events.onDown(error);
    closeWhenAnswered(left);
    this.#wake?.();
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const LEFT_CHECK_MS = 100;
const LEFT_MS_MAX = 10_000;

/** Answers that are on their way still count; after a while they are given up. */
function closeWhenAnswered(connection: Connection): void {
  const until = performance.now() + LEFT_MS_MAX;
  const timer = setInterval(() => {
    if (connection.pending > 0 && performance.now() < until && connection.isOpen) return;
    clearInterval(timer);
    connection.close();
  }, LEFT_CHECK_MS);
  timer.unref();
}
