/**
 * One broker as it is built, from the worker port to the persister, with disks and connections that
 * exist in memory only, and with the time that it is told. It can crash, and start again from what
 * it had written.
 *
 * It is alone: an election has nobody to wait for, so that at a start its monotonic clock leaps
 * over the time that one takes.
 */
import { randomUUID } from "node:crypto";
import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import type { Server, Socket } from "node:net";
import { bootReplica } from "../boot.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load-config.ts";
import { Chores } from "../jobs/chores.ts";
import { JobRunner } from "../jobs/job-runner.ts";
import { LocalBroker } from "../local-broker.ts";
import type { Outcome } from "../operations/broker.ts";
import type { Bus, Formation } from "../ports.ts";
import type { Command } from "../queue/index.ts";
import { SUPPORTED } from "../replica/index.ts";
import { Runtime } from "../runtime.ts";
import { MemoryIdentityStore } from "../storage/memory-identity-store.ts";
import { MemoryLogStore } from "../storage/memory-log-store.ts";
import { MemoryStateDirectory } from "../storage/memory-state-directory.ts";
import { createWorkerServer } from "../workers/server.ts";
import { MemorySocket } from "./memory-socket.ts";
import { type OpenDoors, openTestDoors } from "./open-doors.ts";

export type { OpenDoors } from "./open-doors.ts";

const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };

export interface LoneBrokerOptions {
  readonly clock: Clock;
  readonly leaseMs: number;
  /** Something was said or done: whoever waits for quiet waits on. */
  readonly onActivity: () => void;
  /** A fault of the broker itself: the test is to hear of it. */
  readonly onFatal: (error: Error) => void;
}

/** From a start to a crash. */
interface Life {
  readonly runtime: Runtime;
  readonly broker: LocalBroker;
  readonly chores: Chores;
  readonly accept: (socket: Socket) => void;
}

interface Disks {
  readonly identity: MemoryIdentityStore;
  readonly log: MemoryLogStore;
  readonly states: MemoryStateDirectory;
}

export type RefusalOfWrites = (Outcome & { readonly kind: "refused" })["code"];

const ID = "test";
const ADDRESS = "127.0.0.1:6379";
const ELECTION_MS = 24 * 60 * 60 * 1000;
const BEATS_PER_LEASE = 3;
const LOG = { debug() {}, info() {}, warn() {}, error() {} };

export class LoneBroker {
  readonly #options: LoneBrokerOptions;
  readonly #config: Config = loadConfig({ argv: [], env: {} });
  readonly #formation: Formation;
  readonly #sockets = new Set<Socket>();
  readonly #refusals: RefusalOfWrites[] = [];
  #disks: Disks;
  #life: Life | undefined;
  /** How far its monotonic clock is ahead of the one it is told. */
  #leapMs = 0;
  #doors: Promise<OpenDoors> | undefined;

  private constructor(options: LoneBrokerOptions) {
    this.#options = options;
    const incarnation = randomUUID().replaceAll("-", "");
    const member = { id: ID, incarnation, address: ADDRESS, bus: ADDRESS, voter: true };
    const founders = { revision: 0, members: [member], clusterVersion: SUPPORTED.max };
    this.#formation = { clusterId: randomUUID(), ...founders };
    const hardState = { term: 0, vote: undefined };
    const start = { founded: true, boots: 1, hardState };
    this.#disks = {
      identity: new MemoryIdentityStore({
        ...start,
        nodeId: ID,
        incarnation,
        formation: this.#formation,
      }),
      log: new MemoryLogStore(),
      states: new MemoryStateDirectory(),
    };
  }

  /** Resolves when it runs; it leads a few turns later. */
  static async start(options: LoneBrokerOptions): Promise<LoneBroker> {
    const broker = new LoneBroker(options);
    await broker.#begin();
    return broker;
  }

  /** undefined while it is down. */
  get broker(): LocalBroker | undefined {
    return this.#life?.broker;
  }

  /** The caller's end of a new connection to the worker port. */
  connect(): Socket {
    const [near, far] = MemorySocket.pair(this.#options.onActivity);
    setImmediate(() => this.#accept(far));
    return near;
  }

  /**
   * Opens the worker port and REST on free ports of loopback, for programs besides the test. A
   * crash closes them.
   */
  async listen(): Promise<OpenDoors> {
    if (this.#life === undefined) throw new Error("the broker is down");
    this.#doors ??= openTestDoors({
      config: this.#config,
      broker: this.#life.broker,
      onSocket: (socket) => this.#accept(socket),
    });
    return await this.#doors;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The next write of tasks is refused with this code. */
  refuseNext(code: RefusalOfWrites): void {
    this.#refusals.push(code);
  }

  /** As if the power were cut: connections break, and what was not on disk is gone. */
  async crash(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    this.#life = undefined;
    const doors = this.#doors;
    this.#doors = undefined;
    // Those that could not be opened need not be closed.
    await doors?.then(
      (opened) => opened.close(),
      () => undefined,
    );
    this.cut();
    life.runtime.halt();
    await life.chores.close();
    await life.runtime.close();
    const { identity, log, states } = this.#disks;
    const boots = identity.identity.boots + 1;
    this.#disks = {
      identity: new MemoryIdentityStore({ ...identity.identity, boots }),
      log: log.reopened(),
      states: states.reopened(),
    };
  }

  /** After a crash: from what is on disk. */
  async restart(): Promise<void> {
    if (this.#life === undefined) await this.#begin();
  }

  close(): Promise<void> {
    return this.crash();
  }

  #accept(socket: Socket): void {
    const life = this.#life;
    if (life === undefined) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    life.accept(socket);
  }

  async #begin(): Promise<void> {
    const { clock } = this.#options;
    const leaping: Clock = {
      now: () => clock.now() + this.#leapMs,
      wallMs: () => clock.wallMs(),
      after: (delayMs, act) => clock.after(delayMs, act),
    };
    const { identity, log, states } = this.#disks;
    const replica = await bootReplica({
      identity: identity.identity,
      formation: this.#formation,
      self: this.#formation.members[0] as Formation["members"][number],
      log,
      state: states.live,
      settings: {
        retry: this.#config.retry,
        depthLimit: this.#config.broker.queueDepthThreshold,
        snapshotEntries: this.#config.raft.snapshotEntries,
        priority: 0,
      },
      electionTimeoutMs: ELECTION_MS,
      heartbeatIntervalMs: ELECTION_MS / 3,
      commitUnsynced: false,
      clock: leaping,
    });
    this.#leapMs += 2 * ELECTION_MS;
    const turn = replica.turn.bind(replica);
    replica.turn = () => {
      this.#options.onActivity();
      return turn();
    };
    const runtime = this.#startRuntime(replica, leaping);
    this.#life = this.#open(runtime, leaping);
  }

  #startRuntime(replica: Runtime["replica"], clock: Clock): Runtime {
    const fail = (what: string, cause?: unknown): void => {
      this.#options.onFatal(new Error(`the test's broker: ${what}`, { cause }));
    };
    const runtime = new Runtime({
      ...this.#disks,
      replica,
      clusterId: this.#formation.clusterId,
      bus: NOBODY,
      raiseFormat: async () => {},
      walSyncIntervalMs: 0,
      logger: LOG,
      clock,
      onFatal: fail,
      onLost: fail,
      onRemoved: () => fail("it was removed from its cluster"),
    });
    runtime.start();
    return runtime;
  }

  #open(runtime: Runtime, clock: Clock): Life {
    const { broker: settings, retry } = this.#config;
    const { leaseMs } = this.#options;
    const facts = {
      clusterId: this.#formation.clusterId,
      version,
      walSyncIntervalMs: 0,
      isConnected: () => true,
      programOf: () => "",
      leader: { appliedBy: () => 0, firstHeard: 0 },
      isDraining: () => false,
    };
    const broker = new RefusingBroker(
      runtime,
      facts,
      () => Promise.reject(new Error("a broker of a test stays alone")),
      this.#refusals,
    );
    const late: { accept?: (socket: Socket) => void } = {};
    createWorkerServer({
      broker,
      host: "127.0.0.1",
      port: 0,
      version,
      submit: { ...settings, retry },
      leaseMs,
      heartbeatMs: leaseMs / BEATS_PER_LEASE,
      maxConnections: settings.maxConnections,
      logger: LOG,
      createServer: (onSocket) => {
        late.accept = onSocket;
        return new EventEmitter() as Server;
      },
    });
    const jobs = new JobRunner(broker, () => clock.now());
    const leads = () => !runtime.closed && runtime.replica.leads;
    const chores = new Chores({ chores: [() => jobs.round()], leads, log: LOG });
    return { runtime, broker, chores, accept: late.accept as (socket: Socket) => void };
  }
}

/** Refuses writes of tasks, as often as it was asked to. */
class RefusingBroker extends LocalBroker {
  readonly #refusals: RefusalOfWrites[];

  constructor(
    ...[runtime, facts, greet, refusals]: [
      ...ConstructorParameters<typeof LocalBroker>,
      refusals: RefusalOfWrites[],
    ]
  ) {
    super(runtime, facts, greet);
    this.#refusals = refusals;
  }

  override request(command: Command, done: (outcome: Outcome) => void): void {
    const isSubmit = command.type === "submit" || command.type === "submitAll";
    const code = isSubmit ? this.#refusals.shift() : undefined;
    if (code === undefined) super.request(command, done);
    else setImmediate(() => done({ kind: "refused", code, message: "the test wants it refused" }));
  }
}

/** The bus of whoever is alone. */
const NOBODY: Bus = {
  send() {},
  forward() {},
  forwardReply() {},
  fetchSnapshot() {
    throw new Error("there is nobody to fetch a snapshot from");
  },
  setRoster() {},
  close: async () => {},
};
