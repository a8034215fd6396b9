/**
 * Faults planted on purpose, to see that the simulator notices them and shrinks what it found. Each
 * changes a replica right after its birth, from outside, or packets on their way.
 */
import type { Planted } from "./simulator.ts";

const HUGE = 2 ** 40;

export const MUTANTS = {
  /** Votes without a look at the candidate's log. */
  "votes-for-anybody": {
    replica: ({ raft }) => {
      const step = raft.step.bind(raft);
      raft.step = (message) => {
        const isCampaign = message.type === "vote" || message.type === "preVote";
        step(isCampaign ? { ...message, last: { term: HUGE, index: HUGE } } : message);
      };
    },
  },
  /** Tells consensus that everything is on disk as soon as it was handed over. */
  "acknowledges-early": {
    replica: ({ raft }) => {
      const take = raft.takeReady.bind(raft);
      raft.takeReady = () => {
        const ready = take();
        if (ready.persist !== undefined) raft.persisted(ready.persist.seq, true);
        return ready;
      };
    },
  },
  /** Serves every read at once. */
  "reads-at-once": {
    replica: (replica) => {
      replica.read = (waiter) => waiter(replica.queue.applied);
    },
  },
  /** Never comes back from its hundredth turn. */
  spins: {
    replica: (replica) => {
      const turn = replica.turn.bind(replica);
      let turns = 0;
      replica.turn = () => {
        while (++turns >= 100);
        return turn();
      };
    },
  },
  /** One node hears wrong effect hashes of its leader: its own must look wrong to it. */
  "diverged-node": {
    packets: (_from, to, packet) => {
      if (to !== "node2" || packet.kind !== "envelope") return packet;
      const { message, beacon } = packet.envelope;
      if (message.type !== "heartbeat" || beacon === undefined || beacon.applied < 50) {
        return packet;
      }
      const wrong = { ...beacon, effectHash: `${beacon.effectHash}!` };
      return { ...packet, envelope: { message, beacon: wrong } };
    },
    expectsDivergence: true,
  },
} as const satisfies Readonly<Record<string, Planted>>;

export type Mutant = keyof typeof MUTANTS;
