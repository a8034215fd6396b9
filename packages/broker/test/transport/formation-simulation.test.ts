/** Agreement on one cluster under crashes, losses, lost data directories and late answers. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ClusterMember, Formation } from "../../src/ports.ts";
import {
  announce,
  decide,
  judgeForm,
  type PeerAnswer,
  type PeerView,
  refusalOf,
  type Seeker,
} from "../../src/transport/formation.ts";
import { lists } from "../../src/transport/handshake.ts";
import { memberOf } from "./harness.ts";

const versions = { min: 1, max: 1 };

const unmet = (address: string): PeerView => {
  return { address, expected: undefined, answer: undefined, trouble: undefined };
};

/**
 * A node of the simulation: what it has on disk survives a crash, what it has learned does not.
 * An answer to a greeting belongs to the life that asked; a founder's call may come at any time.
 */
interface SimNode {
  id: string;
  incarnation: number;
  life: number;
  disk: Formation | undefined;
  views: PeerView[];
}

interface InFlight {
  to: number;
  life: number;
  place: number;
  kind: "answer" | "form";
  answer?: PeerAnswer;
  formation?: Formation;
}

class Simulation {
  readonly nodes: SimNode[];
  readonly #peersOf: readonly (readonly number[])[];
  #flying: InFlight[] = [];
  #clusters = 0;

  constructor(peersOf: readonly (readonly number[])[]) {
    this.#peersOf = peersOf;
    this.nodes = peersOf.map((_, i) => {
      return { id: `n${i}`, incarnation: 0, life: 0, disk: undefined, views: this.#fresh(i) };
    });
  }

  member(i: number): ClusterMember {
    const { id, incarnation } = this.nodes[i]!;
    return memberOf(id, 20_000 + i, `${id}.${incarnation}`);
  }

  #fresh(i: number): PeerView[] {
    return this.#peersOf[i]!.map((peer) => unmet(`n${peer}`));
  }

  #seeker(i: number): Seeker {
    return { member: this.member(i), versions };
  }

  /** One greeting under way at a time for each peer, as the real loop has it. */
  greet(i: number, place: number): void {
    const node = this.nodes[i]!;
    const to = this.#peersOf[i]![place];
    if (to === undefined || node.disk !== undefined) return;
    if (this.#flying.some((m) => m.kind === "answer" && m.to === i && m.place === place)) return;
    const peer = this.nodes[to]!;
    const from = announce(this.#seeker(to), peer.views, peer.disk);
    const formation =
      peer.disk !== undefined && lists(peer.disk, this.member(i)) ? peer.disk : undefined;
    const refusal = peer.disk === undefined ? "" : refusalOf(peer.disk, this.member(i));
    const answer = { from, formation, refusal };
    this.#flying.push({ to: i, life: node.life, place, kind: "answer", answer });
  }

  deliver(which: number): void {
    const [message] = this.#flying.splice(which % Math.max(1, this.#flying.length), 1);
    if (message === undefined) return;
    const node = this.nodes[message.to]!;
    if (message.kind === "form") {
      const verdict = judgeForm(
        this.#seeker(message.to),
        node.views,
        node.disk,
        message.formation!,
      );
      if (verdict.verdict === "ACCEPTED") node.disk ??= message.formation;
      return;
    }
    if (message.life !== node.life || node.disk !== undefined) return;
    node.views[message.place] = { ...node.views[message.place]!, answer: message.answer };
    this.#decide(message.to);
  }

  #decide(i: number): void {
    const node = this.nodes[i]!;
    const decision = decide(this.#seeker(i), node.views);
    if (decision.type === "adopt") node.disk = decision.formation;
    if (decision.type !== "found") return;
    node.disk = { clusterId: `c${++this.#clusters}`, revision: 0, members: decision.members };
    for (const to of this.#peersOf[i]!) {
      this.#flying.push({ to, life: 0, place: 0, kind: "form", formation: node.disk });
    }
  }

  /** A greeting that failed: the peer is gone for now. */
  lose(i: number, place: number): void {
    const views = this.nodes[i]!.views;
    const old = views[place];
    if (old !== undefined) views[place] = { ...old, answer: undefined };
  }

  crash(i: number): void {
    const node = this.nodes[i]!;
    node.life++;
    node.views = this.#fresh(i);
    this.#flying = this.#flying.filter((m) => m.kind === "form" || m.to !== i);
  }

  wipe(i: number): void {
    this.crash(i);
    this.nodes[i]!.disk = undefined;
    this.nodes[i]!.incarnation++;
  }

  /** Everybody greets everybody and hears the answers; founders' calls stay on their way. */
  round(): void {
    this.nodes.forEach((node, i) => {
      node.views.forEach((_, place) => {
        this.greet(i, place);
      });
    });
    for (let i = 0; i < this.#flying.length; ) {
      if (this.#flying[i]!.kind === "answer") this.deliver(i);
      else i++;
    }
  }

  /** Everything works from here on. */
  settle(): void {
    for (let round = 0; round < 6; round++) {
      this.nodes.forEach((node, i) => {
        node.views.forEach((_, place) => {
          this.greet(i, place);
        });
      });
      while (this.#flying.length > 0) this.deliver(0);
    }
  }
}

const step = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constant("greet" as const), fc.nat(3), fc.nat(2)) },
  { weight: 8, arbitrary: fc.tuple(fc.constant("deliver" as const), fc.nat(50), fc.nat(0)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("round" as const), fc.nat(0), fc.nat(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("lose" as const), fc.nat(3), fc.nat(2)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("crash" as const), fc.nat(3), fc.nat(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("wipe" as const), fc.nat(3), fc.nat(0)) },
);
type Step = readonly ["greet" | "deliver" | "round" | "lose" | "crash" | "wipe", number, number];

function run(simulation: Simulation, steps: readonly Step[], withWipes: boolean): void {
  const count = simulation.nodes.length;
  for (const [what, a, b] of steps) {
    if (what === "deliver") simulation.deliver(a);
    else if (what === "round") simulation.round();
    else if (what === "greet" || what === "lose") simulation[what](a % count, b);
    else if (what === "crash" || withWipes) simulation[what](a % count);
    check(simulation);
  }
}

function check(simulation: Simulation): void {
  const documents = simulation.nodes.flatMap(({ disk }) => disk ?? []);
  expect(new Set(documents.map((formation) => formation.clusterId)).size).toBeLessThanOrEqual(1);
  simulation.nodes.forEach((node, i) => {
    if (node.disk !== undefined) expect(lists(node.disk, simulation.member(i))).toBe(true);
  });
}

const everybody = (count: number) =>
  Array.from({ length: count }, (_, i) => [...Array(count).keys()].filter((peer) => peer !== i));

describe("under crashes, losses and late answers", () => {
  test("there is one cluster, and everybody ends up in it", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(step, { maxLength: 120 }),
        (n, steps) => {
          const simulation = new Simulation(everybody(n));
          run(simulation, steps, false);
          simulation.settle();
          check(simulation);
          if (n > 1) expect(simulation.nodes.every((node) => node.disk !== undefined)).toBe(true);
        },
      ),
      { numRuns: 1500 },
    );
  });

  test("there is never a second cluster, even when data directories are lost", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 3 }), fc.array(step, { maxLength: 60 }), (n, steps) => {
        run(new Simulation(everybody(n)), steps, true);
      }),
      { numRuns: 4000 },
    );
  });

  test("nobody founds anything while the lists differ", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        // n1 does not list n2, n2 lists everybody.
        const simulation = new Simulation([[1, 2], [0], [0, 1]]);
        run(simulation, steps, false);
        simulation.settle();
        expect(simulation.nodes.map((node) => node.disk)).toEqual([
          undefined,
          undefined,
          undefined,
        ]);
      }),
      { numRuns: 300 },
    );
  });
});
