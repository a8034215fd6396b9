import { describe, expect, test } from "vitest";
import { ClusterClock } from "../../src/replica/clock.ts";

const WALL = 1_800_000_000_000;

describe("the cluster clock", () => {
  test("out of office is the median of the wall clocks that were heard", () => {
    const clock = new ClusterClock(0, WALL);
    clock.heard("b", WALL + 400);
    clock.heard("c", WALL + 90_000);
    clock.advance(1_000, WALL + 1_000);
    expect(clock.read()).toBe(WALL + 1_400);
  });

  test("in office starts at the median, not at this node's own clock", () => {
    const clock = new ClusterClock(0, WALL + 12 * 365 * 86_400_000);
    clock.heard("b", WALL);
    clock.heard("c", WALL + 10);
    clock.takeOffice(0);
    expect(clock.read()).toBe(WALL + 10);
  });

  test("of two clocks believes the lower one", () => {
    const clock = new ClusterClock(0, WALL + 1_000_000);
    clock.heard("b", WALL);
    clock.takeOffice(0);
    expect(clock.read()).toBe(WALL);
  });

  test("goes on from the newest time in the log, at half speed until the median has caught up", () => {
    const clock = new ClusterClock(0, WALL);
    clock.takeOffice(WALL + 10_000);
    expect(clock.read()).toBe(WALL + 10_000);
    clock.advance(4_000, WALL + 4_000);
    expect(clock.read()).toBe(WALL + 12_000);
    clock.advance(20_000, WALL + 20_000);
    expect(clock.read()).toBe(WALL + 20_000);
  });

  test("is raised when the log turns out to be further than it was when office was taken", () => {
    const clock = new ClusterClock(0, WALL);
    clock.takeOffice(0);
    clock.advance(1_000, WALL + 1_000);
    clock.raise(WALL + 86_400_000);
    expect(clock.read()).toBe(WALL + 86_400_000);
    clock.raise(WALL);
    clock.advance(3_000, WALL + 3_000);
    expect(clock.read()).toBe(WALL + 86_401_000);
  });

  test("a wall clock that jumps ahead in office is followed at no more than double speed", () => {
    const clock = new ClusterClock(0, WALL);
    clock.takeOffice(0);
    clock.advance(1_000, WALL + 3_600_000);
    expect(clock.read()).toBe(WALL + 2_000);
  });

  test("a wall clock that jumps back never stops or turns the time", () => {
    const clock = new ClusterClock(0, WALL);
    clock.takeOffice(0);
    clock.advance(1_000, WALL - 3_600_000);
    expect(clock.read()).toBe(WALL + 500);
    clock.advance(2_000, WALL - 3_599_000);
    expect(clock.read()).toBe(WALL + 1_000);
  });

  test("tells the earliest moment at which a time can have come", () => {
    const clock = new ClusterClock(5_000, WALL);
    clock.takeOffice(0);
    expect(clock.earliest(WALL - 1)).toBe(5_000);
    expect(clock.earliest(WALL + 1_000)).toBe(5_500);
  });

  test("names the clocks that are more than a minute off, each once", () => {
    const clock = new ClusterClock(0, WALL);
    clock.heard("b", WALL + 5);
    clock.heard("c", WALL + 61_000);
    expect(clock.newDisagreements()).toEqual([{ who: "c", ms: 60_995 }]);
    expect(clock.newDisagreements()).toEqual([]);
    clock.heard("c", WALL);
    expect(clock.newDisagreements()).toEqual([]);
    clock.heard("c", WALL - 70_000);
    expect(clock.newDisagreements()).toEqual([{ who: "c", ms: -70_000 }]);
  });
});
