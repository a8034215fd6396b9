/**
 * The process that guesses keys: `node guesses.js PER_SECOND SECONDS PORT...`. At the end it prints how
 * many got which answer.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Guesser } from "../cluster/keys.ts";

const TICK_MS = 20;

const [perSecond = 0, seconds = 0, ...ports] = process.argv.slice(2).map(Number);
const guesser = new Guesser(ports);
const from = performance.now();
const all = perSecond * seconds;
while (guesser.sent < all) {
  const due = Math.min(all, ((performance.now() - from) / 1000) * perSecond);
  while (guesser.sent < due) guesser.guess();
  await sleep(TICK_MS);
}
console.log(JSON.stringify(await guesser.done()));
