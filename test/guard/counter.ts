/**
 * The program that counts: one case of the guard in a process of its own, whose clocks and timers
 * are virtual. Prints its figures as JSON. To be started by `measure`, which gives V8 a young
 * generation so large that nothing is collected while allocations are counted.
 */
import { startCluster } from "./cluster.ts";
import { Load } from "./load.ts";
import { type Figures, Tally } from "./tally.ts";
import { VirtualTime } from "./virtual-time.ts";

const TASKS = 1_000;
/** Finished tasks are on disk within this time, and nothing more is under way. */
const CALM_MS = 2_000;
/** Until all that is worth compiling has been compiled. */
const WARM_UP = 8;
const SAMPLES = 5;

const batch = Number(process.argv[2]);

const collect = globalThis.gc as () => void;
const time = new VirtualTime();
withoutDice();
time.install();
const tally = new Tally();
const load = new Load(await startCluster(time, tally), time, tally, batch);
await load.ready();
await time.pass(CALM_MS);
const figures = await counted();
const allocated = await allocatedBytes();
process.stdout.write(JSON.stringify({ figures, allocated }));
process.exit(0);

/** The state is written after the fact, so it is counted until all is calm. */
async function counted(): Promise<Figures> {
  tally.take();
  await load.carry(TASKS);
  const carried = tally.take();
  await time.pass(CALM_MS);
  const all = new Tally();
  for (const [name, amount] of Object.entries(carried)) all.add(name, amount);
  for (const [name, amount] of Object.entries(tally.take())) {
    if (name.startsWith("state ")) all.add(name, amount);
  }
  return all.take();
}

/** The median of several samples: now and then the compiler allocates as well. */
async function allocatedBytes(): Promise<number> {
  for (let i = 0; i < WARM_UP; i++) await carryCalmly();
  const samples: number[] = [];
  for (let i = 0; i < SAMPLES; i++) {
    collect();
    const before = held();
    await load.carry(TASKS);
    samples.push(held() - before);
    await time.pass(CALM_MS);
  }
  return samples.sort((a, b) => a - b)[SAMPLES >> 1] as number;
}

async function carryCalmly(): Promise<void> {
  await load.carry(TASKS);
  await time.pass(CALM_MS);
}

function held(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Election timeouts are the same in each run. */
function withoutDice(): void {
  let seed = 1;
  Math.random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
}
