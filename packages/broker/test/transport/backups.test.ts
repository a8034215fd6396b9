/** One member asks another about scheduled backups, and who gets no answer. */
import * as grpc from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import type { BackupReport } from "../../src/ports.ts";
import { answerBackups, backupsAsker } from "../../src/transport/backup-call.ts";
import type { BackupsRequest } from "../../src/transport/raft-service.ts";
import { CLUSTER, listen } from "./harness.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const NEVER = new AbortController().signal;
const OWN = { nodeId: "node2", clusterId: CLUSTER };
const QUESTION = { clusterId: CLUSTER, nodeId: "node1" };

async function serverWith(report: () => Promise<BackupReport>) {
  const { server } = await listen();
  closers.push(() => server.close());
  const bus = `127.0.0.1:${server.port}`;
  const ask = (question: BackupsRequest = QUESTION, id = "node2", signal = NEVER) => {
    return backupsAsker()({ id, bus }, question, signal);
  };
  const open = () => server.answerBackups((asked) => answerBackups(asked, OWN, report));
  return { ask, open };
}

test.each([
  { state: "can", ageMs: undefined },
  { state: "cannot", ageMs: 0 },
  { state: "makes", ageMs: 365 * 86_400_000 },
] as const)("a report arrives as it was sent: %o", async (report) => {
  const { ask, open } = await serverWith(async () => report);
  open();
  expect(await ask()).toEqual(report);
});

test("there is no answer before there is one, to strangers, and in place of another", async () => {
  const { ask, open } = await serverWith(async () => ({ state: "can", ageMs: 1 }));
  await expect(ask()).rejects.toThrow("try again");
  open();
  const stranger = ask({ ...QUESTION, clusterId: "d".repeat(32) });
  await expect(stranger).rejects.toThrow(`node1 belongs to cluster ${"d".repeat(32)}`);
  await expect(ask(QUESTION, "node3")).rejects.toThrow("node2 has answered in place of node3");
});

test("a directory that cannot be read is said, and a question can be called off", async () => {
  const broken = await serverWith(() => Promise.reject(new Error("EIO: the disk")));
  broken.open();
  await expect(broken.ask()).rejects.toThrow("EIO: the disk");
  const abort = new AbortController();
  const hanging = await serverWith(() => {
    abort.abort();
    return new Promise(() => undefined);
  });
  hanging.open();
  await expect(hanging.ask(QUESTION, "node2", abort.signal)).rejects.toThrow("CANCELLED");
});

test("a broker from before the question has none", async () => {
  const old = new grpc.Server();
  closers.push(() => old.forceShutdown());
  const port = await new Promise<number>((resolve, reject) => {
    const insecure = grpc.ServerCredentials.createInsecure();
    old.bindAsync("127.0.0.1:0", insecure, (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const asked = backupsAsker()({ id: "node2", bus: `127.0.0.1:${port}` }, QUESTION, NEVER);
  await expect(asked).rejects.toMatchObject({ code: grpc.status.UNIMPLEMENTED });
});
