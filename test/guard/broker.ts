/**
 * One broker as it is built, from the worker port to the persister, with a disk, a bus and sockets
 * that exist in memory only.
 */
import { EventEmitter } from "node:events";
import type { Server, Socket } from "node:net";
import { bootReplica } from "../../packages/broker/src/boot.ts";
import { LocalBroker } from "../../packages/broker/src/local-broker.ts";
import type { BusListener, Formation } from "../../packages/broker/src/ports.ts";
import { Runtime } from "../../packages/broker/src/runtime.ts";
import { createWorkerServer } from "../../packages/broker/src/workers/server.ts";
import { CountedIdentity, CountedLog, countedStates } from "./stores.ts";
import type { Tally } from "./tally.ts";
import { VirtualBus } from "./virtual-bus.ts";
import { VirtualSocket } from "./virtual-socket.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What the brokers of a cluster have in common. */
export interface World {
  readonly time: VirtualTime;
  readonly tally: Tally;
  readonly formation: Formation;
  readonly listeners: Map<string, BusListener>;
}

export const HEARTBEAT_MS = 1_000;
const LEASE_MS = 30_000;

const RETRY = {
  maxRetries: 3,
  backoff: "exponential",
  initialDelayMs: 5_000,
  multiplier: 2,
  maxDelayMs: 3_600_000,
  delaysMs: [],
  jitterKind: "extra",
  jitter: 0.2,
} as const;

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

export class GuardedBroker {
  readonly id: string;
  readonly runtime: Runtime;
  readonly #time: VirtualTime;
  readonly #accept: (socket: Socket) => void;

  private constructor(
    id: string,
    runtime: Runtime,
    time: VirtualTime,
    accept: (socket: Socket) => void,
  ) {
    this.id = id;
    this.runtime = runtime;
    this.#time = time;
    this.#accept = accept;
  }

  static async start(id: string, world: World): Promise<GuardedBroker> {
    const { time, tally, formation, listeners } = world;
    const self = formation.members.find((member) => member.id === id);
    if (self === undefined) throw new Error(`${id} is no member`);
    const late: { runtime?: Runtime } = {};
    const owner = () => (late.runtime?.replica.leads ? "leader" : "followers");
    const log = new CountedLog(time, tally, owner);
    const states = countedStates(time, tally, owner);
    const named = { nodeId: id, incarnation: self.incarnation, formation };
    const start = { founded: true, boots: 1, hardState: { term: 0, vote: undefined } };
    const identity = new CountedIdentity({ ...named, ...start }, tally, owner);
    const replica = await bootReplica({
      identity: identity.identity,
      formation,
      self,
      log,
      state: states.live,
      settings: { retry: RETRY, depthLimit: 0, snapshotEntries: 10_000, priority: 0 },
      electionTimeoutMs: 1_000,
      heartbeatIntervalMs: 100,
      commitUnsynced: false,
    });
    const turn = replica.turn.bind(replica);
    replica.turn = () => {
      tally.add(`turns, ${owner()}`);
      return turn();
    };
    const runtime = new Runtime({
      replica,
      clusterId: formation.clusterId,
      log,
      states,
      identity,
      bus: new VirtualBus(id, listeners, time, tally),
      raiseFormat: async () => {},
      walSyncIntervalMs: 0,
      logger: SILENT,
      onFatal: fail,
      onLost: (reason) => fail(reason, undefined),
      onRemoved: () => fail("removed", undefined),
    });
    late.runtime = runtime;
    listeners.set(id, {
      onEnvelope: (from, envelope) => runtime.input((it) => it.receive(from, envelope)),
      onForwards: (from, forwards) => runtime.input((it) => it.forwards(from, forwards)),
      onForwardReplies: (_from, replies) => runtime.input((it) => it.forwardReplies(replies)),
      onPeer: () => {},
      onSnapshotRequest: () => fail("a snapshot is wanted", undefined),
    });
    runtime.start();
    return new GuardedBroker(id, runtime, time, openPort(runtime, formation.clusterId));
  }

  get leads(): boolean {
    return this.runtime.replica.leads;
  }

  /** The caller's end of a new connection to the worker port. */
  connect(): VirtualSocket {
    const [near, far] = VirtualSocket.pair(this.#time);
    this.#accept(far as unknown as Socket);
    return near;
  }
}

/** How a connection gets to the real worker port. */
function openPort(runtime: Runtime, clusterId: string): (socket: Socket) => void {
  const facts = {
    clusterId,
    version: "0",
    walSyncIntervalMs: 0,
    isConnected: () => true,
    programOf: () => "",
    leader: { appliedBy: () => 0, firstHeard: 0 },
    isDraining: () => false,
  };
  const broker = new LocalBroker(runtime, facts, () => fail("nobody joins", undefined));
  const late: { accept?: (socket: Socket) => void } = {};
  createWorkerServer({
    broker,
    host: "127.0.0.1",
    port: 0,
    version: "0",
    submit: { maxPayloadBytes: 1024 * 1024, retry: RETRY, queueDepthThreshold: 0 },
    leaseMs: LEASE_MS,
    heartbeatMs: HEARTBEAT_MS,
    maxConnections: 100,
    logger: SILENT,
    createServer: (onSocket) => {
      late.accept = onSocket;
      return new EventEmitter() as Server;
    },
  });
  return late.accept as (socket: Socket) => void;
}

function fail(what: string, error: unknown): never {
  process.stderr.write(`${what}\n`);
  throw error ?? new Error(what);
}
