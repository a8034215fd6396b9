import { describe, expect, test } from "vitest";
import { Progress } from "../src/progress.ts";

function replicating(match: number, maxInflight = 3): Progress {
  const progress = new Progress(match + 1, 0, maxInflight);
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
    strict.acknowledged(5, 5);
    strict.startOver();
    strict.sent(9, false);
    strict.rejected(5, 2, false);
    expect([strict.match, strict.next, strict.paused]).toEqual([5, 6, true]);
    const lax = new Progress(6, 0, 3);
    lax.acknowledged(5, 3);
    lax.startOver();
    lax.rejected(5, 2, true);
    expect([lax.match, lax.durable, lax.next]).toEqual([0, 0, 3]);
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
    progress.pauseUntilHeartbeat();
    expect(progress.paused).toBe(true);
    progress.heartbeatAnswered(9);
    expect(progress.paused).toBe(false);
  });
});
