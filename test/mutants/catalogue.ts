/**
 * All mutants, and the traps that none of them stands for, each with the reason. The numbers are
 * those of a list of 55 mistakes that were found in published consensus libraries, queues and
 * databases, and of five that our own rules invite: unique keys (56), limits (57), dead letters
 * (58), children of a result (59), work on many tasks (60). A mutant's sentence says what its
 * number means.
 */
import { ELECTIONS } from "./elections.ts";
import { INSTALL } from "./install.ts";
import { MEMBERS } from "./members.ts";
import type { Mutant } from "./mutant.ts";
import { OFFICES } from "./offices.ts";
import { ORDERS } from "./orders.ts";
import { QUEUE } from "./queue.ts";
import { READS } from "./reads.ts";
import { REPLICA } from "./replica.ts";
import { REPLICATION } from "./replication.ts";
import { STARTS } from "./starts.ts";
import { STORAGE } from "./storage.ts";
import { TRANSPORT } from "./transport.ts";

export const TRAPS = 60;

export const MUTANTS: readonly Mutant[] = [
  ...ELECTIONS,
  ...OFFICES,
  ...REPLICATION,
  ...MEMBERS,
  ...READS,
  ...STORAGE,
  ...STARTS,
  ...INSTALL,
  ...QUEUE,
  ...ORDERS,
  ...REPLICA,
  ...TRANSPORT,
];

/** Mistakes that this design leaves no room for, by number, and why. */
export const IMPOSSIBLE: Readonly<Record<number, string>> = {
  31: "Joint consensus left too early, or never: members change one at a time, so there is none.",
};
