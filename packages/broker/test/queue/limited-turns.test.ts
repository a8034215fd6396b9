/**
 * Weights where nobody ever has a backlog that may begin: a limit, or the last task that waited,
 * closes who was served until its run has ended. That must not cost it what its weight gives it.
 */
import { expect, test } from "vitest";
import { HOUR } from "./harness.ts";
import { Scene } from "./scene.ts";

type Kind = "queue" | "group";

/** "a" has ten times the weight of "b". One worker takes one task after another; 110 in all. */
class Contest {
  readonly #scene = new Scene();
  readonly #owners = new Map<number, string>();
  readonly #kind: Kind;
  readonly got = new Map([
    ["a", 0],
    ["b", 0],
  ]);

  constructor(kind: Kind, limited: "a" | "both" | "none") {
    this.#kind = kind;
    const limit = limited === "none" ? 0 : 1;
    const groupWeights = [{ group: "a", weight: 10 }];
    if (kind === "group") {
      this.#scene.configure("q", { groupConcurrency: limit, groupWeights });
      // Keep both groups known while nothing of them waits.
      for (const group of ["a", "b"]) {
        this.#scene.submit(1, { queue: "q", group, delayMs: 24 * HOUR });
      }
      return;
    }
    this.#scene.configure("a", { weight: 10, concurrency: limit });
    this.#scene.configure("b", { weight: 1, concurrency: limited === "both" ? 1 : 0 });
  }

  submit(name: string, count: number): void {
    const content = this.#kind === "queue" ? { queue: name } : { queue: "q", group: name };
    for (const serial of this.#scene.submit(count, content)) this.#owners.set(serial, name);
  }

  /** `after`: what happens once a run of this one has ended. */
  serve(after: (name: string) => void): void {
    for (let round = 0; round < 110; round++) {
      if (round % 40 === 17) this.#scene.restart();
      const [run] = this.#scene.lease(1);
      const name = this.#owners.get(run!.serial)!;
      this.got.set(name, this.got.get(name)! + 1);
      this.#scene.complete(run!);
      after(name);
    }
  }
}

test.each([
  ["queue", "none"],
  ["queue", "a"],
  ["queue", "both"],
  ["group", "none"],
  ["group", "both"],
] as const)("shares are by weight, one worker: %s, one run at most: %s", (kind, limited) => {
  const contest = new Contest(kind, limited);
  contest.submit("a", 115);
  contest.submit("b", 115);
  contest.serve(() => {});
  expect(Math.abs(contest.got.get("a")! - 100)).toBeLessThanOrEqual(1);
});

test.each(["queue", "group"] as const)(
  "so they are with one task waiting at a time: %s",
  (kind) => {
    const contest = new Contest(kind, "none");
    contest.submit("a", 1);
    contest.submit("b", 115);
    contest.serve((name) => {
      if (name === "a") contest.submit("a", 1);
    });
    expect(Math.abs(contest.got.get("a")! - 100)).toBeLessThanOrEqual(1);
  },
);
