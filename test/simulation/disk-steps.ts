/**
 * What a simulated disk does takes time, in steps that are atomic each. A step under way when the
 * node crashes is lost or, like on a real disk, turns out to have made it and nobody heard. Each
 * step has a label, and a crash can be ordered for the next step of a label: an ambush.
 */
import type { DiskOptions, Range } from "./options.ts";
import type { Random } from "./random.ts";
import type { Situation, Situations } from "./situations.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Each is a place where a crash may fall between two facts on the disk. */
export const LABELS = [
  "hardState",
  "log",
  "truncation",
  "log sync",
  "flush",
  "staged rows",
  "pointer switch",
  "log reset",
  "old state delete",
  "compaction base",
  "entry deletion",
] as const;

export type Label = (typeof LABELS)[number];

export interface Step {
  readonly label: Label;
  readonly range: Range;
  readonly save: () => void;
  /** Cut short by a loss of power it leaves this behind, at a share of the way. */
  readonly tear?: ((share: number) => void) | undefined;
}

/** What hangs together: the log and what goes with it, or the state. */
export type Lane = "log" | "state";

export function laneOf(label: Label): Lane {
  return label === "flush" || label === "staged rows" ? "state" : "log";
}

export interface Ambush {
  readonly label: Label;
  readonly survives: boolean;
  /** When during the step, 0 to 1. */
  readonly moment: number;
  readonly strike: () => void;
}

/** The slowest disk ends each step in this time: longer than any patience of a node, and far shorter
 * than what the end of a run allows for. */
const SLOW_STEP_MS_MAX = 30_000;
/** Share of the lost steps that are lost halfway. */
const TORN_SHARE = 0.5;

export class DiskSteps {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #options: DiskOptions;
  readonly #situations: Situations;
  readonly #running = new Set<Step>();
  readonly #ambushes: Ambush[] = [];
  /** The step that was struck in an ambush. */
  #struck: { readonly step: Step; readonly survives: boolean } | undefined;
  #life = 0;
  #stalledUntil = 0;
  readonly #hungUntil: Record<Lane, number> = { log: 0, state: 0 };
  #slowUntil = 0;
  #slowFactor = 1;
  readonly #torn: Random;

  constructor(time: VirtualTime, random: Random, options: DiskOptions, situations: Situations) {
    this.#time = time;
    this.#random = random;
    this.#torn = random.fork("torn");
    this.#options = options;
    this.#situations = situations;
  }

  /** Everything takes until `ms` from now at the least. */
  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.#time.now + ms);
  }

  /** Nothing in this lane ends for a while, not even what has begun; a crash does not help. */
  hang(lane: Lane, ms: number): void {
    this.#hungUntil[lane] = Math.max(this.#hungUntil[lane], this.#time.now + ms);
  }

  /** For a while everything takes so many times as long. */
  slow(factor: number, ms: number): void {
    this.#slowFactor = factor;
    this.#slowUntil = this.#time.now + ms;
  }

  /** Faults are over: operations under way stay as slow as they are. */
  recover(): void {
    this.#stalledUntil = 0;
    this.#hungUntil.log = 0;
    this.#hungUntil.state = 0;
    this.#slowUntil = 0;
    this.#ambushes.length = 0;
  }

  ambush(ambush: Ambush): void {
    this.#ambushes.push(ambush);
  }

  do(step: Step, done: () => void): void {
    this.#running.add(step);
    const lane = laneOf(step.label);
    const finish = (): void => {
      const left = this.#hungUntil[lane] - this.#time.now;
      if (left > 0) {
        this.after(left, finish);
        return;
      }
      this.#running.delete(step);
      step.save();
      done();
    };
    const takes = this.take(step.range, finish);
    const at = this.#ambushes.findIndex(({ label }) => label === step.label);
    if (at < 0) return;
    const [ambush] = this.#ambushes.splice(at, 1);
    this.after(takes * ambush!.moment, () => {
      if (!this.#running.has(step)) return;
      this.#struck = { step, survives: ambush!.survives };
      ambush!.strike();
    });
  }

  /** One after the other. */
  run(steps: readonly Step[], done: () => void): void {
    const [first, ...rest] = steps;
    if (first === undefined) done();
    else this.do(first, () => this.run(rest, done));
  }

  /** Ends all steps, and forgets whatever was to follow. */
  crash(): void {
    this.#life++;
    this.#stalledUntil = 0;
    for (const step of this.#running) this.#end(step);
    this.#running.clear();
    this.#struck = undefined;
  }

  #end(step: Step): void {
    const isStruck = this.#struck?.step === step;
    const survives = isStruck ? this.#struck!.survives : this.#random.chance(0.5);
    if (survives) step.save();
    else if (this.#torn.chance(TORN_SHARE)) this.#tear(step);
    const fate = survives ? "survived a crash unheard" : "lost in a crash";
    this.#situations.hit(`${step.label} ${fate}` satisfies Situation);
  }

  /** LevelDB drops a torn batch whole; the identity has another slot, or the other copy. */
  #tear(step: Step): void {
    if (step.label === "log" || step.label === "truncation") {
      this.#situations.hit("torn batch of the log dropped whole");
    }
    if (step.tear === undefined) return;
    const share = this.#torn.float();
    step.tear(share);
    this.#situations.hit(
      share < 0.5 ? "identity torn in its first copy" : "identity torn in its second copy",
    );
  }

  /** Reads the disk, or uses it in another way that changes nothing. Returns how long it takes. */
  take(range: Range, action: () => void): number {
    const { stallRate, stallMs } = this.#options;
    const stalled = this.#random.chance(stallRate) ? this.#random.between(0, stallMs) : 0;
    const factor = this.#time.now < this.#slowUntil ? this.#slowFactor : 1;
    const slowed = this.#random.between(range.min, range.max) * factor;
    const takes = Math.min(slowed, SLOW_STEP_MS_MAX) + stalled;
    const delay = Math.max(takes, this.#stalledUntil - this.#time.now);
    this.after(delay, action);
    return delay;
  }

  /** Unless it crashes before. */
  after(ms: number, action: () => void): void {
    const life = this.#life;
    this.#time.after(ms, () => {
      if (life === this.#life) action();
    });
  }
}
