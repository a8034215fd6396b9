/**
 * Every method of gRPC with every role, without a key and with a wrong one: who may goes on to the
 * method, who may not is refused before anything is read or done.
 */
import { connect } from "node:http2";
import * as grpc from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { TASK_QUEUE } from "../../src/grpc/service.ts";
import { Harness } from "../grpc/harness.ts";
import { Ring, ROLES } from "./key-ring.ts";
import { METHODS } from "./routes.ts";

const EMPTY_MESSAGE = Buffer.alloc(5);

/**
 * The call's status, with an empty message and nothing after it. What goes on for ever where it may
 * has begun once an answer comes without one, and counts as done.
 */
async function statusOf(h: Harness, name: string, key: string | undefined): Promise<number> {
  const session = connect(`http://127.0.0.1:${h.port}`);
  onTestFinished(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": `/taskqueue.v1.TaskQueue/${name}`,
    "content-type": "application/grpc",
    te: "trailers",
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  });
  stream.on("error", () => undefined);
  stream.end(EMPTY_MESSAGE);
  const status = await new Promise<number>((resolve) => {
    const look = (headers: Record<string, unknown>): void => {
      if (headers["grpc-status"] !== undefined) resolve(Number(headers["grpc-status"]));
    };
    stream.on("response", look).on("trailers", look);
    if (name === "WatchTasks") stream.once("data", () => resolve(grpc.status.OK));
    stream.resume();
  });
  session.destroy();
  return status;
}

test("the table has every method, and no other", () => {
  expect(Object.keys(METHODS).sort()).toEqual(Object.keys(TASK_QUEUE).sort());
});

test.each(Object.entries(METHODS))("%s is for %s", async (name, needed) => {
  const h = await Harness.open({ access: new Ring().access });
  const { commands, barriers } = h.broker;
  const done = () => commands.length + barriers.length;
  for (const role of ROLES) {
    const status = await statusOf(h, name, role);
    const isRefused = role !== "admin" && role !== needed;
    expect([role, status === grpc.status.PERMISSION_DENIED]).toEqual([role, isRefused]);
    expect(status).not.toBe(grpc.status.UNAUTHENTICATED);
    if (isRefused) expect(done()).toBe(0);
    commands.length = 0;
    barriers.length = 0;
  }
  for (const key of [undefined, "nobody", "admi", "k".repeat(100)]) {
    expect(await statusOf(h, name, key)).toBe(grpc.status.UNAUTHENTICATED);
    expect(done()).toBe(0);
  }
});

test("a method that there is not is for nobody", async () => {
  const h = await Harness.open({ access: new Ring().access });
  expect(await statusOf(h, "DropEverything", undefined)).toBe(grpc.status.UNIMPLEMENTED);
  expect(await statusOf(h, "DropEverything", "admin")).toBe(grpc.status.UNIMPLEMENTED);
});
