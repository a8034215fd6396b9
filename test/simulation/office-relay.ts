/**
 * Drives a cluster of five towards Figure 3.7 of the dissertation, where an entry of an earlier term
 * is on a majority of the disks and yet not committed. Who reaches whom is arranged, and everything
 * else is left to the nodes:
 *
 * 1. the leader and one other are cut off from the rest; what it appends now, only they have;
 * 2. the rest elects another one, which is alone from that moment: only it has its first entry;
 * 3. the first two come back, one of them is elected and spreads what it has, and after a moment
 *    both are gone again;
 * 4. the one of step 2 comes back, and may be elected by those who have nothing newer.
 *
 * Whenever something else happens than this, it is over, and all are connected again.
 */
import type { Network } from "./network.ts";
import type { SimulatedNode } from "./node.ts";
import type { Situations } from "./situations.ts";
import type { Trace } from "./trace.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface RelayOptions {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly situations: Situations;
  readonly trace: Trace;
  readonly nodes: () => readonly SimulatedNode[];
}

/** How often the disks are looked at. */
const LOOK_MS = 0.5;
/** After this without an election the situation has not come about. */
const STEP_MS_MAX = 6000;

export class OfficeRelay {
  readonly #options: RelayOptions;
  #step = 0;
  /** Those of the first step, and the leader of the second. */
  #pair: readonly SimulatedNode[] = [];
  #loner: SimulatedNode | undefined;
  #afterMs = 0;
  #cuts: (readonly [string, string])[] = [];

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** `share`: whom the leader still reaches; `afterMs`: how long it stays once all has spread. */
  begin(share: number, afterMs: number): void {
    if (this.#step === 0) this.#awaitWork(share, afterMs, this.#options.time.now + STEP_MS_MAX);
  }

  /** Until somebody leads and has proposed something. */
  #awaitWork(share: number, afterMs: number, until: number): void {
    const nodes = this.#options.nodes();
    if (this.#step !== 0 || nodes.length !== 5 || this.#options.time.now > until) return;
    const leader = nodes.find(({ leads, replica }) => {
      return leads && replica!.raft.lastIndex > replica!.raft.commit;
    });
    if (leader === undefined) {
      this.#options.time.after(LOOK_MS, () => this.#awaitWork(share, afterMs, until));
      return;
    }
    const others = nodes.filter((node) => node !== leader);
    this.#pair = [leader, others[Math.floor(share * others.length)]!];
    this.#afterMs = afterMs;
    this.#to(1, [this.#pair, this.#without(nodes, this.#pair)]);
  }

  elected(node: SimulatedNode): void {
    if (this.#step === 1 && !this.#pair.includes(node)) {
      this.#loner = node;
      this.#to(2, [[node], this.#without(this.#options.nodes(), [node])]);
    } else if (this.#step === 2 && this.#pair.includes(node)) {
      this.#options.situations.hit("leader of an earlier term elected again, with its entries");
      this.#awaitSpread(node);
    } else if (this.#step === 3 && node === this.#loner) {
      this.#options.situations.hit("entry of an earlier term replaced after it had spread");
      this.end();
    } else if (this.#step !== 0) {
      this.end();
    }
  }

  /** Until what it has from before is on a majority of the disks, and only that. */
  #awaitSpread(leader: SimulatedNode): void {
    const nodes = this.#options.nodes();
    const { term = 0 } = leader.replica?.raft ?? {};
    const index = leader.disk.log.last.index;
    const before = leader.disk.log.last.term;
    const look = (): void => {
      const have = nodes.filter(({ disk }) => disk.log.termAt(index) === before).length;
      const isSpread = before < term && have * 2 > nodes.length;
      if (!isSpread) this.#after(LOOK_MS, 2, look);
      else
        this.#after(this.#afterMs, 2, () =>
          this.#to(3, [this.#pair, this.#without(nodes, this.#pair)]),
        );
    };
    look();
  }

  /** All are connected again. */
  end(): void {
    if (this.#step !== 0) this.#options.trace.note("relay", () => `ends after ${this.#step}`);
    this.#step = 0;
    this.#connect();
  }

  #to(step: number, groups: readonly (readonly SimulatedNode[])[]): void {
    this.#step = step;
    const [first] = groups;
    const names = first!.map(({ id }) => id).join(" ");
    this.#options.trace.note("relay", () => `step ${step}: ${names} apart from the others`);
    this.#connect();
    const [ones, others] = groups;
    for (const one of ones!) {
      for (const other of others!) {
        this.#cuts.push([one.id, other.id], [other.id, one.id]);
      }
    }
    for (const [from, to] of this.#cuts) this.#options.network.block(from, to, true);
    this.#after(STEP_MS_MAX, step, () => this.end());
  }

  #connect(): void {
    for (const [from, to] of this.#cuts) this.#options.network.block(from, to, false);
    this.#cuts = [];
  }

  #after(ms: number, step: number, action: () => void): void {
    const pair = this.#pair;
    this.#options.time.after(ms, () => {
      if (this.#step === step && this.#pair === pair) action();
    });
  }

  #without(nodes: readonly SimulatedNode[], gone: readonly SimulatedNode[]) {
    return nodes.filter((node) => !gone.includes(node));
  }
}
