/**
 * Three brokers on loopback with their data in one folder, and a connection to each of them that
 * asks that one and no other. Every wait is for a condition, with a limit and a reason.
 */
import type { ClusterJson } from "task-queue-client";
import { CliError, EXIT } from "../exit-status.ts";
import { unlessAborted } from "../interruptible.ts";
import type { AdminClient, Io } from "../io.ts";
import { BrokerChild, brokerProgram } from "./broker-child.ts";
import { freePorts } from "./free-ports.ts";
import { POLL_MS, PROBE_MS, RECOVER_MS, STOP_MS } from "./limits.ts";

const BROKERS = 3;

/** What a broker says of its state. */
export interface NodeState {
  readonly raft: { readonly applied_index: number; readonly effect_hash: string };
  readonly tasks: Readonly<Record<string, number>>;
}

/** Ctrl-C was pressed, or the program was told to end. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

export class TrialCluster {
  readonly brokers: readonly BrokerChild[];
  readonly #io: Io;
  readonly #signal: AbortSignal;
  readonly #probes: ReadonlyMap<string, AdminClient>;

  private constructor(brokers: readonly BrokerChild[], io: Io, signal: AbortSignal) {
    this.brokers = brokers;
    this.#io = io;
    this.#signal = signal;
    const probe = ({ id, address }: BrokerChild) => {
      return [id, connectTo(io, address, PROBE_MS, true)] as const;
    };
    this.#probes = new Map(brokers.map(probe));
  }

  /** Nothing runs yet. */
  static async create(folder: string, io: Io, signal: AbortSignal): Promise<TrialCluster> {
    const program = brokerProgram();
    const ports = await freePorts(BROKERS);
    const brokers = ports.map((port, at) => {
      const peers = ports.filter((each) => each !== port);
      return new BrokerChild({ program, id: `node${at + 1}`, port, peers, folder });
    });
    return new TrialCluster(brokers, io, signal);
  }

  get servers(): string {
    return this.brokers.map(({ address }) => address).join(",");
  }

  /** The others than `id`, in their order. */
  othersThan(id: string): BrokerChild[] {
    return this.brokers.filter((broker) => broker.id !== id);
  }

  /** Resolves when all brokers that run serve. Throws `CliError` when one has ended instead. */
  async whole(): Promise<void> {
    await this.until("all brokers are ready", async () => {
      for (const broker of this.brokers) {
        if (!broker.isRunning) throw ended(broker, await broker.end("SIGKILL"));
        const view = await this.#view(broker);
        if (view?.ready !== true) return undefined;
      }
      return true;
    });
  }

  /** The one that leads, by its own word; never one of `but`. */
  async leader(but = ""): Promise<BrokerChild> {
    return await this.until("a broker leads", async () => {
      for (const broker of this.brokers) {
        if (!broker.isRunning || broker.id === but) continue;
        const view = await this.#view(broker);
        if (view?.role === "leader" && view.ready) return broker;
      }
      return undefined;
    });
  }

  /** What each of them says of itself, all at the same entry. */
  async agreed(): Promise<readonly NodeState[]> {
    return await this.until("all brokers have the same entries", async () => {
      const stats = [...this.#probes.values()].map(async (probe) => {
        return (await probe.stats().catch(() => undefined)) as NodeState | undefined;
      });
      const all = await Promise.all(stats);
      const indexes = new Set(all.map((each) => each?.raft.applied_index));
      return indexes.size === 1 && !indexes.has(undefined) ? (all as NodeState[]) : undefined;
    });
  }

  async handOver(to: BrokerChild): Promise<void> {
    const client = connectTo(this.#io, this.servers, RECOVER_MS, false);
    try {
      await this.orInterrupted(client.members.transferLeadership({ to: to.id }));
    } finally {
      await client.close();
    }
  }

  /** Asks again and again. Throws `CliError` when it takes too long, and `Interrupted`. */
  async until<T>(what: string, ask: () => Promise<T | undefined>, ms = RECOVER_MS): Promise<T> {
    const end = performance.now() + ms;
    while (performance.now() < end) {
      if (this.#signal.aborted) throw new Interrupted();
      const found = await ask();
      if (found !== undefined) return found;
      await this.#io.sleep(POLL_MS, this.#signal);
    }
    throw new CliError(EXIT.no, `it took more than ${ms / 1_000} s until ${what}`);
  }

  async pause(ms: number): Promise<void> {
    await this.#io.sleep(ms, this.#signal);
    if (this.#signal.aborted) throw new Interrupted();
  }

  async orInterrupted<T>(work: Promise<T>): Promise<T> {
    // Whatever it comes to: one that is left behind shall not be an unhandled rejection.
    const settled = work.then((value) => ({ value }));
    const done = await unlessAborted(settled, this.#signal);
    if (done === undefined) throw new Interrupted();
    return done.value;
  }

  /** In order if there is time for it; true = all of them ended with status 0. */
  async stop(): Promise<boolean> {
    const alive = this.brokers.filter(({ isRunning }) => isRunning);
    const timer = new AbortController();
    const ends = Promise.all(alive.map((broker) => broker.end("SIGTERM")));
    const late = this.#io.sleep(STOP_MS, timer.signal).then(() => undefined);
    const how = await unlessAborted(Promise.race([ends, late]), this.#signal);
    timer.abort();
    return how?.every((each) => each === "status 0") === true;
  }

  /** Whoever was stopped where it was goes on: the rest needs a quorum. */
  thaw(): void {
    for (const broker of this.brokers) broker.thaw();
  }

  /** Nothing of it runs any more. */
  async close(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.isRunning && broker.end("SIGKILL")));
    await Promise.all([...this.#probes.values()].map((probe) => probe.close()));
  }

  async #view({ id }: BrokerChild): Promise<ClusterJson | undefined> {
    return await this.#probes
      .get(id)
      ?.cluster()
      .catch(() => undefined);
  }
}

/** These brokers want neither keys nor TLS, whatever the environment has for others. */
export function connectTo(io: Io, servers: string, timeoutMs: number, stay: boolean): AdminClient {
  const ignore = { onFailed() {}, onUp() {} };
  return io.connect({ servers, apiKey: "", tls: undefined, timeoutMs, stay, ...ignore });
}

function ended(broker: BrokerChild, how: string): CliError {
  const text = `${broker.id} ended by itself (${how}); its log ends with:\n${broker.logTail()}`;
  return new CliError(EXIT.unavailable, text);
}
