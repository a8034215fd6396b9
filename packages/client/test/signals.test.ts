/** Signals end what waits, with their reasons, and nothing else. */
import { describe, expect, test } from "vitest";
import { client, openOne, openProxy, register, until } from "./harness.ts";

const ENOUGH = new Error("enough");

async function openMute() {
  const { port, cluster } = await openOne();
  const proxy = await openProxy(port);
  const tq = client({ servers: proxy.address, timeoutMs: 60_000 });
  await tq.submit("t", "first");
  return { cluster, proxy, tq };
}

describe("submit", () => {
  test.each([
    ["one", {}],
    ["many", {}],
    ["many", { atomic: true }],
    ["run", {}],
  ] as const)("of %s, %o, stops trying; what was taken stays", async (how, options) => {
    const { cluster, proxy, tq } = await openMute();
    proxy.mute = true;
    const stop = new AbortController();
    const { signal } = stop;
    const items = [{ type: "t", payload: 1 }];
    const submitted = {
      one: () => tq.submit("t", 1, { signal }),
      many: () => tq.submitMany(items, { ...options, signal }),
      run: () => tq.run("t", 1, { signal }),
    }[how]();
    const ended = expect(submitted).rejects.toBe(ENOUGH);
    await until(() => cluster.machine.counts().pending === 2);
    stop.abort(ENOUGH);
    await ended;
    expect(cluster.machine.counts().pending).toBe(2);
  });

  test.each([{}, { atomic: true }])(
    "with a signal that is aborted sends nothing: %o",
    async (options) => {
      const { cluster, tq } = await openMute();
      const signal = AbortSignal.abort(ENOUGH);
      await expect(tq.submit("t", 1, { signal })).rejects.toBe(ENOUGH);
      const items = [{ type: "t", payload: 1 }];
      await expect(tq.submitMany(items, { ...options, signal })).rejects.toBe(ENOUGH);
      expect(cluster.machine.counts().pending).toBe(1);
    },
  );

  test("given up before it has left is not sent", async () => {
    const { cluster, tq } = await openMute();
    const stop = new AbortController();
    const submitted = tq.submit("t", 1, { signal: stop.signal });
    const kept = tq.submit("t", 2);
    stop.abort(ENOUGH);
    await expect(submitted).rejects.toBe(ENOUGH);
    await kept;
    expect(cluster.machine.counts().pending).toBe(2);
  });

  test("ends the wait of `run` for the result, too", async () => {
    const { cluster, tq } = await openMute();
    const stop = new AbortController();
    const ended = expect(tq.run("t", 1, { signal: stop.signal })).rejects.toBe(ENOUGH);
    await until(() => cluster.machine.counts().pending === 2);
    // Answers come in their order: that of the submit is here, too.
    await tq.queues();
    stop.abort(ENOUGH);
    await ended;
  });

  test("a signal of one submit leaves the others alone", async () => {
    const { proxy, tq } = await openMute();
    proxy.mute = true;
    const stop = new AbortController();
    const given = expect(tq.submit("t", 1, { signal: stop.signal })).rejects.toBe(ENOUGH);
    const kept = tq.submit("t", 2);
    stop.abort(ENOUGH);
    await given;
    proxy.mute = false;
    proxy.cut();
    expect((await kept).id).toMatch(/^[0-9a-f-]{36}$/);
  });
});

test("progress ends with the reason of its signal", async () => {
  const { cluster, tq } = await openMute();
  register(cluster);
  const handle = await tq.submit("t", 1);
  const stop = new AbortController();
  const all = (async () => {
    for await (const value of handle.progress({ signal: stop.signal })) expect(value).toBe("none");
  })();
  const ended = expect(all).rejects.toBe(ENOUGH);
  await until(() => cluster.listening === 1);
  stop.abort(ENOUGH);
  await ended;
});
