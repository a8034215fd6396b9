/**
 * Brings a node into its cluster: the founding document, and the bus to the other members. A node
 * with `raft.enabled: false` founds a cluster of one and has nobody to talk to; everything else is
 * the same path.
 */
import { randomBytes } from "node:crypto";
import type { Config } from "./config/config.ts";
import { EXIT, StartupError } from "./exit-status.ts";
import type { NodeLogger } from "./observe/logger.ts";
import type { Bus, BusListener, Formation, IdentityStore, Member } from "./ports.ts";
import { startBus } from "./transport/bus.ts";
import { BusServer } from "./transport/bus-server.ts";
import { form } from "./transport/form.ts";
import { joinHostPort, parsePeer } from "./transport/peers.ts";

/** What the rest of the process needs of the cluster it belongs to. */
export interface ClusterSeat {
  readonly formation: Formation;
  /** Opens the bus; every call of `listener` is an input of the replica. */
  startBus(listener: BusListener): Bus;
  /** Closes the bus and its port. */
  close(): Promise<void>;
}

/** Waits until this node belongs to a cluster; ends early only when `signal` aborts. */
export async function takeSeat(
  config: Config,
  identity: IdentityStore,
  log: NodeLogger,
  signal: AbortSignal,
): Promise<ClusterSeat> {
  const member = memberOf(config, identity.identity.incarnation);
  const saveFormation = (formation: Formation) => identity.save({ formation });
  if (!config.raft.enabled) return seatAlone(member, identity, saveFormation);
  const { host } = config.broker;
  const server = await BusServer.listen({ host, port: config.raft.port, log }).catch((error) => {
    throw new StartupError(EXIT.unavailable, error.message, { cause: error });
  });
  const peers = config.raft.peers.map(parsePeer);
  const { identity: known } = identity;
  const options = { server, identity: known, member, peers, saveFormation, log, signal };
  const formation = await form(options).catch(async (error) => {
    await server.close();
    throw error;
  });
  const opened: Bus[] = [];
  return {
    formation,
    startBus: (listener) => {
      const random = Math.random;
      const bus = startBus({ server, identity: known, formation, peers, listener, log, random });
      opened.push(bus);
      return bus;
    },
    close: async () => {
      for (const bus of opened) await bus.close();
      await server.close();
    },
  };
}

async function seatAlone(
  member: Member,
  { identity }: IdentityStore,
  saveFormation: (formation: Formation) => Promise<void>,
): Promise<ClusterSeat> {
  let { formation } = identity;
  if (formation === undefined) {
    formation = { clusterId: randomBytes(16).toString("hex"), members: [member] };
    await saveFormation(formation);
  }
  if (formation.members.length > 1) {
    const others = formation.members.map(({ id }) => id).join(", ");
    throw new StartupError(
      EXIT.config,
      `this node belongs to a cluster of ${others}, but raft.enabled is false; ` +
        "set raft.enabled: true and raft.peers, or use another persistence.data_dir",
    );
  }
  const silent: Bus = {
    send() {},
    forward() {},
    forwardReply() {},
    async close() {},
  };
  return { formation, startBus: () => silent, async close() {} };
}

function memberOf({ broker, raft }: Config, incarnation: string): Member {
  const host = broker.advertise.slice(0, broker.advertise.lastIndexOf(":"));
  const bare = host.startsWith("[") ? host.slice(1, -1) : host;
  return {
    id: raft.nodeId,
    incarnation,
    bus: joinHostPort(bare, raft.port),
    address: broker.advertise,
  };
}
