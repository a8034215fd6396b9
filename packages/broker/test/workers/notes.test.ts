/** `report` at the worker port: what is taken of what handlers say, and from whom. */
import type { ReportItem } from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import { openOne, someTask } from "./harness.ts";
import { RawPeer } from "./raw-peer.ts";

async function running(version = 3) {
  const { port, cluster, node } = await openOne();
  cluster.raise(version);
  const peer = await RawPeer.greet(port, "worker");
  peer.send(2, {
    kind: "register",
    session: "s1",
    secret: new Uint8Array(16).fill(7),
    name: "w",
    queues: [],
    types: ["t"],
    labels: [],
    concurrency: 4,
    window: 10,
    held: [],
  });
  await peer.take("registered");
  const client = await RawPeer.greet(port);
  client.send(2, { kind: "submit", tasks: [someTask("t")] });
  const { tasks } = await peer.take("deliver");
  const { id, token } = tasks[0]!;
  const report = async (...items: Partial<ReportItem>[]) => {
    const whole = items.map((item) => ({ id, token, progress: "", lines: [], ...item }));
    peer.send(3, { kind: "report", items: whole });
    return (await peer.take("reported")).results;
  };
  return { cluster, node, peer, client, id, report };
}

describe("report", () => {
  test("keeps progress and lines of a run", async () => {
    const { cluster, id, report } = await running();
    const lines = [{ level: "warn" as const, text: "careful" }];
    expect(await report({ progress: "0.5", lines })).toEqual([{ ok: true, duplicate: false }]);
    expect(cluster.machine.task(id)).toMatchObject({ progress: { value: "0.5" }, logLines: 1 });
  });

  test("refuses what is no JSON or too long, and takes the rest", async () => {
    const { cluster, id, report } = await running();
    const results = await report(
      { progress: "{" },
      { progress: JSON.stringify("x".repeat(4095)) },
      { progress: "7" },
      { progress: "8", token: 99 },
    );
    expect(results).toMatchObject([
      { ok: false, code: "invalid_request", field: "progress" },
      { ok: false, code: "too_large", field: "progress" },
      { ok: true },
      { ok: true },
    ]);
    expect(cluster.machine.task(id)?.progress?.value).toBe("7");
  });

  test("of many runs becomes several commands", async () => {
    const { node, report } = await running();
    const before = node.commands.length;
    const items = Array.from({ length: 201 }, () => ({ progress: "1" }));
    expect(await report(...items)).toHaveLength(201);
    const reports = node.commands.slice(before).filter(({ type }) => type === "report");
    expect(reports).toHaveLength(3);
  });

  test("on nearly full disks progress is kept, and whose lines are not hears so", async () => {
    const { cluster, node, id, report } = await running();
    const refusal = { kind: "refused", code: "disk_full", message: "no room" } as const;
    node.fate = (command) => {
      const hasLines =
        command.type === "report" && command.runs.some((run) => run.lines.length > 0);
      return hasLines ? refusal : "answer";
    };
    const lines = [{ level: "warn" as const, text: "careful" }];
    const refused = { ok: false, retryable: true, code: "disk_full" };
    expect(await report({ progress: "1", lines }, { progress: "2" }, { lines })).toMatchObject([
      refused,
      { ok: true, duplicate: false },
      refused,
    ]);
    expect(cluster.machine.task(id)).toMatchObject({ progress: { value: "2" }, logLines: 0 });
    expect(await report({ progress: "3", lines })).toMatchObject([refused]);
    expect(cluster.machine.task(id)?.progress?.value).toBe("3");
    const before = node.commands.length;
    expect(await report({ lines })).toMatchObject([refused]);
    expect(node.commands.length).toBe(before + 1);
  });

  test("is refused while the cluster is too old, and is not for clients", async () => {
    const { client, report } = await running(2);
    expect(await report({ progress: "1" })).toMatchObject([{ ok: false, code: "state_conflict" }]);
    client.send(9, { kind: "report", items: [] });
    expect(await client.take("error")).toMatchObject({ code: "invalid_request" });
  });
});
