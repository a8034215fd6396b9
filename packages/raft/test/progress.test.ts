import { describe, expect, test } from "vitest";
import { Progress } from "../src/progress.ts";

function replicating(match: number, maxInflight = 3): Progress {
  const progress = new Progress(match + 1, 0, maxInflight);
  progress.sent(match, true);
  progress.acknowledged(match, match);
  return progress;
}

describe("Progress", () => {
  test("probes one append at a time until the first acknowledgement", () => {
    const progress = new Progress(5, 0, 3);
    expect([progress.state, progress.paused]).toEqual(["probe", false]);
    progress.sent(7, false);
    expect([progress.paused, progress.next]).toEqual([true, 5]);
    expect(progress.acknowledged(7, 7)).toBe(true);
    expect([progress.state, progress.next, progress.paused]).toEqual(["replicate", 8, false]);
  });

  test("repeats a probe when a heartbeat is answered", () => {
    const progress = new Progress(5, 0, 3);
    progress.sent(7, false);
    expect(progress.heartbeatAnswered(9)).toBe(false);
    expect(progress.paused).toBe(false);
  });

  test("fills the window and frees it in order, also with one acknowledgement for many", () => {
    const progress = replicating(0);
    for (const last of [1, 2, 3]) progress.sent(last, false);
    expect([progress.paused, progress.inflight, progress.next]).toEqual([true, 3, 4]);
    progress.sent(3, true);
    expect(progress.inflight).toBe(3);
    progress.acknowledged(2, 1);
    expect([progress.paused, progress.inflight]).toEqual([false, 1]);
    for (const last of [4, 5]) progress.sent(last, false);
    expect(progress.paused).toBe(true);
    progress.acknowledged(5, 5);
    expect(progress.inflight).toBe(0);
  });

  test("never goes back by a late acknowledgement", () => {
    const progress = replicating(9);
    expect(progress.acknowledged(4, 4)).toBe(false);
    expect([progress.match, progress.durable, progress.next]).toEqual([9, 9, 10]);
    expect(progress.acknowledged(9, 9)).toBe(false);
  });

  test("an fsync alone is progress, and what is acknowledged is not sent again", () => {
    const progress = replicating(4);
    progress.sent(9, false);
    expect(progress.acknowledged(9, 4)).toBe(true);
    expect(progress.acknowledged(9, 9)).toBe(true);
    expect([progress.match, progress.durable, progress.next]).toEqual([9, 9, 10]);
  });

  test("a rejection leads back to probing, by the hint, but not below match", () => {
    const progress = replicating(4);
    progress.sent(8, false);
    progress.rejected(8, 6, false);
    expect([progress.state, progress.next, progress.inflight]).toEqual(["probe", 7, 0]);
    const low = replicating(4);
    low.sent(8, false);
    low.rejected(8, 1, false);
    expect(low.next).toBe(5);
  });

  test("ignores late and repeated rejections", () => {
    const progress = replicating(4);
    progress.sent(8, false);
    progress.rejected(3, 1, false);
    expect(progress.state).toBe("replicate");
    progress.rejected(8, 6, false);
    progress.sent(8, false);
    progress.rejected(8, 4, false);
    expect([progress.next, progress.paused]).toEqual([7, true]);
  });

  test("a follower may lose what it had acknowledged only where that is allowed", () => {
    const strict = new Progress(6, 0, 3);
    strict.sent(5, false);
    strict.acknowledged(5, 5);
    strict.startOver();
    strict.sent(9, false);
    strict.rejected(5, 2, false);
    expect([strict.match, strict.next, strict.paused]).toEqual([5, 6, true]);
    const lax = new Progress(6, 0, 3);
    lax.sent(5, false);
    lax.acknowledged(5, 3);
    lax.startOver();
    lax.rejected(5, 2, true);
    expect([lax.match, lax.durable, lax.next]).toEqual([0, 0, 3]);
  });

  test.each(["probe", "replicate"])("what was not fsynced may be lost in state %s", (state) => {
    const progress = new Progress(6, 0, 3);
    progress.sent(9, false);
    progress.acknowledged(9, 3);
    if (state === "probe") progress.startOver();
    progress.rejected(9, 5, false);
    expect([progress.state, progress.match, progress.durable]).toEqual(["probe", 3, 3]);
    expect(progress.next).toBe(6);
  });

  test("notices when nothing has moved between two heartbeats", () => {
    const progress = replicating(4);
    progress.sent(8, false);
    expect(progress.heartbeatAnswered(8)).toBe(false);
    expect(progress.heartbeatAnswered(8)).toBe(true);
    progress.acknowledged(6, 6);
    expect(progress.heartbeatAnswered(8)).toBe(false);
    progress.acknowledged(8, 8);
    expect(progress.heartbeatAnswered(8)).toBe(false);
    expect(progress.heartbeatAnswered(8)).toBe(false);
  });

  test("waits while entries are fetched from disk", () => {
    const progress = replicating(4);
    progress.logReadFrom = 5;
    expect(progress.paused).toBe(true);
    progress.logReadFrom = undefined;
    expect(progress.paused).toBe(false);
  });
});

describe("Progress that needs a snapshot", () => {
  function waiting(base: number): Progress {
    const progress = replicating(4);
    progress.sent(8, false);
    progress.logReadFrom = 5;
    progress.needsSnapshot(base);
    return progress;
  }

  test("sends nothing, and is due once at first and once for each answered heartbeat", () => {
    const progress = waiting(20);
    expect([progress.state, progress.paused, progress.inflight]).toEqual(["snapshot", true, 0]);
    expect([progress.snapshotIndex, progress.logReadFrom]).toEqual([20, undefined]);
    expect([progress.takeSnapshotDue(), progress.takeSnapshotDue()]).toEqual([true, false]);
    expect(progress.heartbeatAnswered(30)).toBe(false);
    expect([progress.takeSnapshotDue(), progress.takeSnapshotDue()]).toEqual([true, false]);
  });

  test("is left with an acknowledgement that reaches its index, and with no other", () => {
    const progress = waiting(20);
    expect(progress.acknowledged(8, 8)).toBe(true);
    expect([progress.state, progress.match]).toEqual(["snapshot", 8]);
    progress.rejected(8, 2, true);
    expect([progress.state, progress.match]).toEqual(["snapshot", 8]);
    expect(progress.acknowledged(20, 19)).toBe(true);
    expect([progress.state, progress.next, progress.durable]).toEqual(["replicate", 21, 19]);
    expect([progress.snapshotIndex, progress.takeSnapshotDue()]).toEqual([undefined, false]);
  });

  test("asks at the end of a snapshot that reaches further than its index", () => {
    const progress = waiting(20);
    progress.acknowledged(25, 25);
    expect([progress.state, progress.match, progress.next]).toEqual(["probe", 20, 26]);
    progress.sent(27, false);
    progress.acknowledged(27, 27);
    expect([progress.state, progress.match]).toEqual(["replicate", 27]);
  });
});

describe("Progress of a member that was removed and added again", () => {
  test("takes an answer to its first stay for a hint at most", () => {
    const progress = new Progress(1, 0, 3, true);
    progress.sent(3, false);
    progress.acknowledged(100, 100);
    expect([progress.state, progress.match, progress.next]).toEqual(["probe", 3, 101]);
    progress.sent(101, false);
    progress.rejected(100, 0, false);
    expect([progress.state, progress.match, progress.next]).toEqual(["probe", 0, 1]);
  });
});
