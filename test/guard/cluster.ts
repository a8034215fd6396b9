/** Three brokers in this process, one of which leads. */
import type { BusListener } from "../../packages/broker/src/ports.ts";
import { SUPPORTED } from "../../packages/broker/src/replica/index.ts";
import { foundingOf } from "../../packages/broker/src/transport/formation.ts";
import { GuardedBroker } from "./broker.ts";
import type { Tally } from "./tally.ts";
import type { VirtualTime } from "./virtual-time.ts";

const NAMES = ["a", "b", "c"];

/** Resolves with the leader, once there is one that has settled in. */
export async function startCluster(time: VirtualTime, tally: Tally): Promise<GuardedBroker> {
  const members = NAMES.map((id) => {
    const where = { bus: `${id}:1`, address: `${id}:2` };
    return { id, incarnation: id, ...where, voter: true, versions: SUPPORTED };
  });
  const formation = foundingOf("00000000-0000-7000-8000-000000000000", members);
  const listeners = new Map<string, BusListener>();
  const world = { time, tally, formation, listeners };
  const brokers: GuardedBroker[] = [];
  for (const id of NAMES) brokers.push(await GuardedBroker.start(id, world));
  await time.until(() => brokers.some(({ leads }) => leads));
  await time.pass(SETTLED_MS);
  return brokers.find(({ leads }) => leads) as GuardedBroker;
}

/** The office is taken, and the first flush is done. */
const SETTLED_MS = 5_000;
