/**
 * Brings a node into its cluster: the founding document, and the bus to the other members. A node
 * with `raft.enabled: false` founds a cluster of one and has nobody to talk to; everything else is
 * the same path.
 */
import { randomBytes } from "node:crypto";
import type { Config } from "./config/config.ts";
import { EXIT, StartupError } from "./exit-status.ts";
import type { NodeLogger } from "./observe/logger.ts";
import { Throttle } from "./observe/throttle.ts";
import type { Bus, BusListener, Formation, IdentityStore, Member, Roster } from "./ports.ts";
import { clusterVersionOf, SUPPORTED } from "./replica/index.ts";
import type { DataDir } from "./storage/data-dir.ts";
import { startBus } from "./transport/bus.ts";
import { type AnswerBackups, type AnswerRejoin, BusServer } from "./transport/bus-server.ts";
import type { PeerStarts } from "./transport/doorkeeper.ts";
import { form } from "./transport/form.ts";
import { foundingOf } from "./transport/formation.ts";
import { greetMember } from "./transport/greet.ts";
import { joinHostPort, parsePeer } from "./transport/peers.ts";
import type { BusSecurity } from "./transport/security.ts";

/** What the rest of the process needs of the cluster it belongs to. */
export interface ClusterSeat {
  readonly formation: Formation;
  /** This node as it is configured now. */
  readonly self: Member;
  /** Asks who is at `id@host:port`; rejects with a sentence when that one cannot be added. */
  greet(peer: string): Promise<Member>;
  /** Opens the bus; every call of `listener` is an input of the replica. */
  startBus(listener: BusListener, memory?: BusMemory): Bus;
  /** Members that have lost data are taken back from now on. */
  answerRejoins(answer: AnswerRejoin): void;
  /** Members that ask about backups are answered from now on. */
  answerBackups(answer: AnswerBackups): void;
  /** Closes the bus and its port. */
  close(): Promise<void>;
}

/** What a bus knows of the past of its members, and of this node's own. */
export interface BusMemory {
  readonly starts: PeerStarts;
  /** Another member has seen a later start of this node than this one. */
  readonly onRolledBack: (reason: string) => void;
  /** The version of this program, as the others show it. */
  readonly program: string;
}

/**
 * Waits until this node belongs to a cluster; ends early only when `signal` aborts. `roster`: the
 * members as this node's own disk knows them, undefined for a node that belongs to none yet.
 */
export async function takeSeat(
  config: Config,
  { identity, format }: Pick<DataDir, "identity" | "format">,
  roster: Roster | undefined,
  log: NodeLogger,
  signal: AbortSignal,
  security?: BusSecurity,
): Promise<ClusterSeat> {
  // Only a damaged directory says less of itself than what lies in it.
  if (roster !== undefined) await format.raise(clusterVersionOf(roster));
  const self = memberOf(config, identity.identity.incarnation);
  const saveFormation = async (formation: Formation) => {
    await format.raise(clusterVersionOf(formation));
    await identity.save({ formation });
  };
  if (!config.raft.enabled) return seatAlone(self, identity, roster, saveFormation);
  if (roster === undefined && config.raft.peers.length === 0)
    throw new StartupError(EXIT.config, NO_PEERS);
  const { host } = config.broker;
  const { port } = config.raft;
  const server = await BusServer.listen({ host, port, log, security }).catch((error) => {
    throw new StartupError(EXIT.unavailable, error.message, { cause: error });
  });
  const dial = { security };
  const peers = config.raft.peers.map(parsePeer);
  const { identity: known } = identity;
  const whom = { identity: known, member: self, peers };
  const options = { ...whom, server, saveFormation, log, dial, signal };
  const formation = await form(options).catch(async (error) => {
    await server.close();
    throw error;
  });
  const opened: Bus[] = [];
  const onSilence = silenceTeller(log);
  return {
    formation,
    self,
    greet: (peer) => {
      const { clusterId } = formation;
      return greetMember(parsePeer(peer), { member: self, clusterId, dial, onSilence });
    },
    startBus: (listener, memory) => {
      const random = Math.random;
      const bus = startBus({ ...whom, formation, server, listener, log, dial, random, ...memory });
      opened.push(bus);
      return bus;
    },
    answerRejoins: (answer) => server.answerRejoins(answer),
    answerBackups: (answer) => server.answerBackups(answer),
    close: async () => {
      for (const bus of opened) await bus.close();
      await server.close();
    },
  };
}

/** Whoever adds a node that cannot be reached may have gone before the answer is there. */
function silenceTeller(log: NodeLogger): (where: string, trouble: string) => void {
  const throttle = new Throttle();
  return (where, trouble) => {
    if (!throttle.allows(`${where} ${trouble}`)) return;
    const line = `no broker answers at ${where} yet, which is to be added: ${trouble}`;
    log.warn({ bus: where, reason: trouble }, line);
  };
}

const NO_PEERS =
  "raft.enabled is true, raft.peers is empty, and the data directory belongs to no cluster yet; " +
  "name the other brokers in raft.peers, or start once with raft.enabled: false to begin a " +
  "cluster of one that can grow";

async function seatAlone(
  self: Member,
  { identity }: IdentityStore,
  roster: Roster | undefined,
  saveFormation: (formation: Formation) => Promise<void>,
): Promise<ClusterSeat> {
  const others = (roster?.members ?? []).filter(({ id }) => id !== self.id);
  if (others.length > 0) {
    const ids = others.map(({ id }) => id).join(", ");
    throw new StartupError(
      EXIT.config,
      `this node belongs to a cluster with ${ids}, but raft.enabled is false; ` +
        "set raft.enabled: true, or use another persistence.data_dir",
    );
  }
  const members = [{ ...self, voter: true }];
  const formation = identity.formation ?? foundingOf(randomBytes(16).toString("hex"), members);
  if (identity.formation === undefined) await saveFormation(formation);
  const greet = () => {
    const advice = "restart it with raft.enabled: true; its data stays";
    return Promise.reject(new Error(`this node is alone and opens no bus: ${advice}`));
  };
  return {
    formation,
    self,
    greet,
    startBus: () => SILENT,
    answerRejoins() {},
    answerBackups() {},
    async close() {},
  };
}

/** There is nobody to talk to. */
const SILENT: Bus = {
  send() {},
  forward() {},
  forwardReply() {},
  fetchSnapshot() {
    throw new Error("there are no other members");
  },
  setRoster() {},
  async close() {},
};

/** This node as others are to know it. */
export function memberOf({ broker, raft }: Config, incarnation: string): Member {
  const host = broker.advertise.slice(0, broker.advertise.lastIndexOf(":"));
  const bare = host.startsWith("[") ? host.slice(1, -1) : host;
  return {
    id: raft.nodeId,
    incarnation,
    bus: joinHostPort(bare, raft.port),
    address: broker.advertise,
    versions: SUPPORTED,
  };
}
