/**
 * Real buses on loopback in one process: logs that can be waited for, a listener that remembers,
 * and relays that stand between two nodes and can be killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Message, NodeId } from "task-queue-raft";
import type {
  BusListener,
  ClusterMember,
  Envelope,
  Formation,
  Forward,
  ForwardReply,
  VersionRange,
} from "../../src/ports.ts";
import { type BusOptions, type PeerBus, startBus } from "../../src/transport/bus.ts";
import { BusServer } from "../../src/transport/bus-server.ts";
import type { Logger } from "../../src/transport/logger.ts";
import type { BusSecurity } from "../../src/transport/security.ts";

/** Waits for a condition; the test's own timeout is the only limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2);
}

export class Journal implements Logger {
  readonly lines: string[] = [];

  info(_fields: object, message: string): void {
    this.lines.push(`info ${message}`);
  }

  warn(_fields: object, message: string): void {
    this.lines.push(`warn ${message}`);
  }

  error(_fields: object, message: string): void {
    this.lines.push(`error ${message}`);
  }

  has(pattern: RegExp | string): boolean {
    return this.lines.some((line) =>
      typeof pattern === "string" ? line.includes(pattern) : pattern.test(line),
    );
  }

  said(pattern: RegExp | string): Promise<void> {
    return until(() => this.has(pattern));
  }
}

export class Recorder implements BusListener {
  readonly envelopes: Envelope[] = [];
  readonly forwards: Forward[] = [];
  readonly replies: ForwardReply[] = [];
  /** `+node1` and `-node1`, in order. */
  readonly peers: string[] = [];
  /** What members have said of their binaries when they came. */
  readonly versions = new Map<NodeId, VersionRange | undefined>();
  readonly programs = new Map<NodeId, string | undefined>();

  onEnvelope(_from: NodeId, envelope: Envelope): void {
    this.envelopes.push(envelope);
  }

  onForwards(_from: NodeId, forwards: readonly Forward[]): void {
    this.forwards.push(...forwards);
  }

  onForwardReplies(_from: NodeId, replies: readonly ForwardReply[]): void {
    this.replies.push(...replies);
  }

  onPeer(peer: NodeId, connected: boolean, versions?: VersionRange, program?: string): void {
    this.peers.push(`${connected ? "+" : "-"}${peer}`);
    if (!connected) return;
    this.versions.set(peer, versions);
    this.programs.set(peer, program);
  }

  onSnapshotRequest(
    from: NodeId,
    request: Uint8Array,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    return this.snapshot(from, request, signal);
  }

  /** What a member gets that asks for a snapshot: nothing, unless a test says otherwise. */
  snapshot: BusListener["onSnapshotRequest"] = async function* () {};

  get messages(): readonly Message[] {
    return this.envelopes.map((envelope) => envelope.message);
  }
}

export interface Node {
  readonly member: ClusterMember;
  readonly server: BusServer;
  readonly bus: PeerBus;
  readonly log: Journal;
  readonly heard: Recorder;
  stop(): Promise<void>;
}

export const CLUSTER = "c".repeat(32);

export function memberOf(id: NodeId, port: number, incarnation = `${id}-incarnation`) {
  const [bus, address] = [`127.0.0.1:${port}`, `127.0.0.1:${port + 1}`];
  return { id, incarnation, bus, address, voter: true } satisfies ClusterMember;
}

export interface NodeOptions {
  readonly server: BusServer;
  readonly members: readonly ClusterMember[];
  readonly revision?: number;
  readonly member?: ClusterMember;
  readonly log: Journal;
  readonly id: NodeId;
  readonly clusterId?: string;
  readonly incarnation?: string;
  readonly boots?: number;
  readonly versions?: BusOptions["versions"];
  readonly peers?: BusOptions["peers"];
  readonly random?: () => number;
  readonly snapshotIdleMs?: number;
  readonly security?: BusSecurity;
  readonly program?: string;
}

/** On a port that the system gives to no outbound connection, so that it can be had again. */
export async function listen(security?: BusSecurity): Promise<{ server: BusServer; log: Journal }> {
  const log = new Journal();
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    try {
      return { server: await BusServer.listen({ host: "127.0.0.1", port, log, security }), log };
    } catch (error) {
      if (!String(error).includes("is in use")) throw error;
    }
  }
}

export function start(options: NodeOptions): Node {
  const { server, members, log, id, versions } = options;
  const member = members.find((candidate) => candidate.id === id) ?? memberOf(id, server.port);
  const heard = new Recorder();
  const { clusterId = CLUSTER, revision = 0 } = options;
  const formation: Formation = { clusterId, revision, members };
  const incarnation = options.incarnation ?? member.incarnation;
  const bus = startBus({
    server,
    identity: { nodeId: id, incarnation, boots: options.boots ?? 1 },
    formation,
    peers: options.peers ?? [],
    listener: heard,
    log,
    dial: { security: options.security },
    ...(versions === undefined ? {} : { versions }),
    ...(options.member === undefined ? {} : { member: options.member }),
    ...(options.program === undefined ? {} : { program: options.program }),
    ...(options.random === undefined ? {} : { random: options.random }),
    ...(options.snapshotIdleMs === undefined ? {} : { snapshotIdleMs: options.snapshotIdleMs }),
  });
  const stop = async () => {
    await bus.close();
    await server.close();
  };
  return { member, server, bus, log, heard, stop };
}

/** A cluster of n whose members know each other from the start. */
export async function startCluster(count: number): Promise<readonly Node[]> {
  const ids = Array.from({ length: count }, (_, i) => `node${i + 1}`);
  const listening = await Promise.all(ids.map(() => listen()));
  const members = ids.map((id, i) => memberOf(id, listening[i]!.server.port));
  const nodes = ids.map((id, i) => start({ ...listening[i]!, members, id }));
  await until(() => nodes.every((node) => node.bus.peers().every((p) => p.inbound && p.outbound)));
  return nodes;
}

export async function stopAll(nodes: readonly Node[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.stop()));
}

/** A TCP relay in this process, whose connections can be cut and held up. */
export class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #near = new Set<Socket>();
  #target = 0;
  #held = false;

  private constructor() {
    this.#server = createServer((near) => {
      const far = connect(this.#target, "127.0.0.1");
      this.#near.add(near);
      near.on("close", () => this.#near.delete(near));
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.on("error", () => {});
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        if (!this.#held) one.pipe(other);
      }
    });
  }

  static async open(): Promise<Relay> {
    const relay = new Relay();
    relay.#server.listen(0, "127.0.0.1");
    await once(relay.#server, "listening");
    return relay;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  to(port: number): this {
    this.#target = port;
    return this;
  }

  /** Passes nothing on any more, without closing anything. */
  hold(): void {
    this.#held = true;
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  /** Holds up only the connection that has carried most towards the target. */
  holdBusiest(): void {
    const [busiest] = [...this.#near].sort((one, other) => other.bytesRead - one.bytesRead);
    busiest?.unpipe();
    busiest?.pause();
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }
}

const RELAY_PROGRAM = `
const net = require("node:net");
const server = net.createServer((near) => {
  const far = net.connect(Number(process.argv[1]), "127.0.0.1");
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
  near.pipe(far).pipe(near);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
`;

/** The same as a process of its own: its death is what a peer sees of a SIGKILLed process. */
export async function relayProcess(target: number): Promise<{ port: number; child: ChildProcess }> {
  const child = spawn(process.execPath, ["-e", RELAY_PROGRAM, String(target)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout!, "data")) as [Buffer];
  return { port: Number(line.toString()), child };
}
