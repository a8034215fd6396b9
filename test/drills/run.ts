/**
 * `npm run drill -- NAME [ROUNDS]`: what an operator would try before trusting tq with anything, on
 * real processes, with figures. Not part of the tests: it measures, and its times depend on the
 * machine. Exit status: 0 when nothing acknowledged was lost and no request failed, 1 otherwise,
 * 64 for a wrong command line.
 */
import { attacks } from "./attacks.ts";
import { backlog } from "./backlog.ts";
import { calm } from "./calm.ts";
import { damage } from "./damage.ts";
import { failover } from "./failover.ts";
import { full } from "./full.ts";
import { hang } from "./hang.ts";
import { history } from "./history.ts";
import { keys } from "./keys.ts";
import { blackout, power } from "./power.ts";
import { rest } from "./rest.ts";
import { restarts } from "./restarts.ts";
import { roll } from "./roll.ts";
import { transfer } from "./transfer.ts";
import { wiped } from "./wiped.ts";

interface Drill {
  readonly run: (amount: number) => Promise<boolean>;
  /** What the number on the command line means, and its default. */
  readonly unit: string;
  readonly amount: number;
}

const DRILLS: Readonly<Record<string, Drill>> = {
  failover: { run: failover, unit: "leaders killed", amount: 50 },
  transfer: { run: transfer, unit: "transfers", amount: 100 },
  wiped: { run: wiped, unit: "tasks in the cluster", amount: 500_000 },
  rest: { run: rest, unit: "minutes", amount: 30 },
  restarts: { run: restarts, unit: "cycles of kill and restart", amount: 100 },
  power: { run: power, unit: "power losses of one node", amount: 100 },
  blackout: { run: blackout, unit: "power losses of all nodes", amount: 20 },
  damage: { run: damage, unit: "rounds through the damage matrix", amount: 1 },
  hang: { run: hang, unit: "rounds of disks that hang and fail", amount: 3 },
  full: { run: full, unit: "rounds of disks that fill up", amount: 2 },
  roll: { run: roll, unit: "times up and down", amount: 2 },
  backlog: { run: backlog, unit: "pending tasks", amount: 1_000_000 },
  history: { run: history, unit: "finished tasks", amount: 10_000_000 },
  keys: { run: keys, unit: "seconds of wrong keys", amount: 30 },
  attacks: { run: attacks, unit: "seconds of each attack", amount: 5 },
  calm: { run: calm, unit: "tasks in the cluster", amount: 400_000 },
};

const [name = "", amount] = process.argv.slice(2);
const drill = DRILLS[name];
const count = amount === undefined ? drill?.amount : Number(amount);
if (drill === undefined || count === undefined || !Number.isSafeInteger(count) || count < 1) {
  const known = Object.entries(DRILLS).map(([known, { unit, amount }]) => {
    return `  ${known} [${unit}, default ${amount}]`;
  });
  console.error(`usage: npm run drill -- NAME [NUMBER]\n${known.join("\n")}`);
  process.exit(64);
}
// Ended by a signal it still ends its brokers and unmounts its disks, which the exit does.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
console.log(`${name}: ${count} ${drill.unit}`);
process.exit((await drill.run(count)) ? 0 : 1);
