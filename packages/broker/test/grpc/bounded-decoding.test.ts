/** Messages that are small on their way and would be huge in memory, or that hide what they hold. */
import * as grpc from "@grpc/grpc-js";
import type { MessageTypeDefinition } from "@grpc/proto-loader";
import { TqError } from "task-queue-protocol";
import { expect, test } from "vitest";
import { DEFINITIONS, TASK_QUEUE } from "../../src/grpc/service.ts";
import { type Any, Harness } from "./harness.ts";

const bytes = (...parts: (number[] | Buffer)[]): Buffer => {
  return Buffer.concat(parts.map((part) => Buffer.from(part as Buffer)));
};
const times = (count: number, part: number[]): Buffer =>
  Buffer.alloc(count * part.length, bytes(part));
const delimited = (field: number, value: Buffer): Buffer => {
  const { length } = value;
  const size = [(length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14];
  return bytes([(field << 3) | 2, ...size], value);
};
const EMPTY_TASK = [0x0a, 0x00];
const EMPTY_DELAY = [0x2a, 0x00];

function decode(method: string, message: Buffer): Any {
  return TASK_QUEUE[method]!.requestDeserialize(message);
}

function encode(name: string, message: object): Buffer {
  return (DEFINITIONS[`taskqueue.v1.${name}`] as MessageTypeDefinition<object, object>).serialize(
    message,
  );
}

const retry = (delays: number) => delimited(1, delimited(12, times(delays, EMPTY_DELAY)));
const retries = bytes(...Array.from({ length: 30 }, () => retry(9_999)));

test.each([
  ["tasks", "SubmitTasks", times(10_001, EMPTY_TASK)],
  ["delays of one task", "SubmitTask", retry(10_001)],
  ["delays of many tasks", "SubmitTasks", retries],
  ["texts", "SubmitTask", delimited(1, times(262_144, [0xaa, 0x01, 0x00]))],
  ["numbers in a row", "WatchTasks", delimited(5, times(262_145, [0x01]))],
  ["fields of later versions", "ListQueues", times(262_145, [0x78, 0x00])],
])("too many %s are refused before they are decoded", (_what, method, message) => {
  const decoded = decode(method, message);
  expect(decoded).toBeInstanceOf(TqError);
  expect(decoded).toMatchObject({ code: "too_large" });
});

test.each([
  ["a message that says to be a number", "SubmitTasks", times(20_000, [0x08, 0x00])],
  ["a number that says to have a length", "SubmitTask", [0x0a, 0x03, 0x5a, 0x01, 0x00]],
  ["a group", "SubmitTasks", [0x7b, 0x7c]],
  ["a text beyond the end of its message", "SubmitTasks", [0x0a, 0x02, 0x12, 0x01, 0x00]],
  ["a number without an end", "SubmitTasks", times(20, [0xff])],
  ["a value without an end", "SubmitTasks", bytes([0x10], times(20, [0xff]))],
])("%s is refused, as the decoder would read on elsewhere", (_what, method, message) => {
  expect(decode(method, bytes(message as number[]))).toMatchObject({ code: "invalid_request" });
});

test("what is as much as it may be is decoded as ever", () => {
  const task = { type: "t", tags: ["a", "b"], retry: { delays: [{ seconds: 1 }, { seconds: 2 }] } };
  const tasks = new Array(1_000).fill(task);
  const decoded = decode("SubmitTasks", encode("SubmitTasksRequest", { tasks, atomic: true }));
  expect(decoded).toMatchObject({ atomic: true, tasks: { length: 1_000 } });
  expect(decoded.tasks[999].retry.delays[1].seconds).toBe("2");
  const kinds = ["EVENT_KIND_COMPLETED", "EVENT_KIND_DEAD"];
  expect(decode("WatchTasks", encode("WatchTasksRequest", { kinds })).kinds).toEqual(kinds);
  const later = bytes(encode("GetTaskRequest", { id: "x" }), [0xf8, 0x07, 0xff, 0x01]);
  expect(decode("GetTask", later).id).toBe("x");
});

test("the caller is told so, and the connection goes on", async () => {
  const h = await Harness.open();
  const client = new grpc.Client(`127.0.0.1:${h.port}`, grpc.credentials.createInsecure(), {
    "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
  });
  const submit = (message: Buffer) =>
    new Promise<grpc.ServiceError | null>((resolve) => {
      const path = "/taskqueue.v1.TaskQueue/SubmitTasks";
      const same = (given: Buffer) => given;
      client.makeUnaryRequest(path, same, same, message, (error) => resolve(error));
    });
  const refused = await submit(times(2_000_000, EMPTY_TASK));
  expect(refused).toMatchObject({ code: grpc.status.RESOURCE_EXHAUSTED });
  expect(refused!.details).toContain("consists of too much");
  expect(h.broker.commands).toEqual([]);
  expect(await submit(encode("SubmitTasksRequest", { tasks: [{ type: "t" }] }))).toBe(null);
  client.close();
});
