/** What survives the loss of a connection, and how the next one is found. */
import { describe, expect, test } from "vitest";
import { type Refusal, RegistrationError } from "../src/core/link.ts";
import { bench, delivery } from "./doubles.ts";

describe("rejoining", () => {
  test("presents the same session with what is still held; lost leases end their runs", async () => {
    const { clock, dialer, held, worker } = await bench();
    const first = dialer.link;
    first.acksReports = false;
    first.deliver(delivery(1), delivery(2), delivery(3));
    await clock.settle();
    held.resolve(3, "three");
    await clock.settle();
    dialer.onDial = (link) => {
      link.lost = [2];
    };
    first.break();
    await clock.advance(1_000);
    const second = dialer.link;
    expect(second.registration.session).toBe(first.registration.session);
    expect(second.registration.secret).toEqual(first.registration.secret);
    expect(second.registration.held).toEqual([1, 2, 3]);
    expect(held.why(2)).toBe("lease-lost");
    expect(held.signals.get(1)?.aborted).toBe(false);
    expect(second.reported("complete")).toEqual([3]);
    expect(worker.status.unreported).toBe(0);
    second.deliver(delivery(1));
    held.resolve(1);
    await clock.settle();
    expect(held.started).toEqual([1, 2, 3]);
    expect(second.reported("complete")).toEqual([3, 1]);
  });

  test("results that end while nobody is there are delivered later", async () => {
    const { clock, dialer, held, worker } = await bench();
    dialer.link.deliver(delivery(1));
    dialer.onDial = () => {
      throw new Error("nobody there");
    };
    dialer.link.break();
    await clock.advance(1_000);
    held.resolve(1, "kept");
    await clock.advance(1_000);
    dialer.onDial = () => {};
    await clock.advance(10_000);
    expect(dialer.link.reported("complete")).toEqual([1]);
    const { connectionErrors } = worker.status;
    expect(connectionErrors).toBeGreaterThan(1);
    await clock.advance(10_000);
    expect(worker.status.connectionErrors).toBe(connectionErrors);
  });

  test("a session that the broker has ended is replaced, and its runs end", async () => {
    const { clock, dialer, held } = await bench();
    const first = dialer.link;
    first.deliver(delivery(1));
    first.listener.sessionEnded();
    first.break();
    await clock.advance(1_000);
    expect(held.why(1)).toBe("lease-lost");
    expect(dialer.link.registration.session).not.toBe(first.registration.session);
    expect(dialer.link.registration.held).toEqual([]);
  });

  test("a refused session is kept while leases may be held, and replaced after", async () => {
    const { clock, dialer } = await bench({}, { heeds: true });
    const sessions: string[] = [];
    dialer.link.deliver(delivery(1));
    await clock.settle();
    dialer.onDial = (link) => {
      sessions.push(link.registration.session);
      throw new RegistrationError("permission_denied: no", undefined, true);
    };
    dialer.link.break();
    await clock.advance(20_000);
    expect(new Set(sessions).size).toBe(1);
    await clock.advance(20_000);
    expect(new Set(sessions).size).toBeGreaterThan(1);
  });
});

describe("finding the leader", () => {
  test("a hint is followed at once, and the list goes on when it leads nowhere", async () => {
    const { clock, dialer, worker } = await bench({}, { start: false });
    dialer.onDial = (link) => {
      if (link.address === "a:1") throw new RegistrationError("does not lead", "leader:9");
      if (link.address === "leader:9") throw new Error("refused");
    };
    const started = worker.start();
    await clock.settle();
    expect(dialer.dialled).toEqual(["a:1", "leader:9"]);
    await clock.advance(1_000);
    await started;
    expect(dialer.dialled).toEqual(["a:1", "leader:9", "b:2"]);
    expect(worker.status).toMatchObject({ connected: true, broker: "b:2" });
  });

  test("brokers that point at each other are not asked in a frenzy", async () => {
    const { clock, dialer, worker } = await bench({}, { start: false });
    dialer.onDial = (link) => {
      const other = link.address === "a:1" ? "b:2" : "a:1";
      throw new RegistrationError("does not lead", other);
    };
    void worker.start();
    await clock.settle();
    expect(dialer.dialled.length).toBeLessThanOrEqual(4);
  });

  test("a link that ends before it could be used is one more failure", async () => {
    const { clock, dialer, worker } = await bench({}, { start: false });
    let dials = 0;
    dialer.onDial = (link) => {
      dials++;
      if (dials === 1) link.listener.closed("cut off", undefined);
    };
    const started = worker.start();
    await clock.advance(1_000);
    await started;
    expect(dials).toBe(2);
    expect(worker.status.broker).toBe("b:2");
  });
});

describe("refused reports", () => {
  async function refuse(refusal: Refusal) {
    const made = await bench();
    const { clock, dialer, held } = made;
    const { link } = dialer;
    link.acksReports = false;
    link.deliver(delivery(1));
    await clock.settle();
    held.resolve(1, "result");
    await clock.settle();
    link.listener.answered(link.reports[0]!, refusal);
    await clock.settle();
    return made;
  }

  test("for now: sent again a little later", async () => {
    const { clock, dialer, worker } = await refuse({
      code: "no_leader",
      message: "",
      retryable: true,
    });
    expect(dialer.link.reported("complete")).toEqual([1]);
    expect(worker.status.unreported).toBe(1);
    await clock.advance(1_000);
    expect(dialer.link.reported("complete")).toEqual([1, 1]);
  });

  test("too late: logged and dropped", async () => {
    const refusal = { code: "stale_token", message: "taken over", retryable: false };
    const { log, worker, dialer } = await refuse(refusal);
    expect(worker.status.unreported).toBe(0);
    expect(dialer.link.reports).toHaveLength(1);
    expect(log.some((line) => line.message.includes("came too late"))).toBe(true);
  });

  test("a result that the broker cannot take becomes a failure, a refused failure a release", async () => {
    const refusal = { code: "too_large", message: "9 bytes too long", retryable: false };
    const { clock, dialer, worker } = await refuse(refusal);
    const { link } = dialer;
    const message = "the broker refused the result: 9 bytes too long";
    expect(link.reports[1]).toMatchObject({ kind: "fail", message, retryable: false });
    link.listener.answered(link.reports[1]!, { ...refusal, code: "invalid_request" });
    await clock.settle();
    expect(link.reports[2]).toMatchObject({ kind: "release", token: 1 });
    link.listener.answered(link.reports[2]!, refusal);
    expect(worker.status.unreported).toBe(0);
  });
});
