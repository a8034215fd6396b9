/**
 * Requests that HAProxy and the brokers might cut differently. Were they ever to do so, a request that
 * nobody was answered for would be done, or the next client would get another one's answer. So each
 * attack carries a submit of a type of its own, and every task must have a 201 that was seen.
 */
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect } from "vitest";
import { needs } from "../needs.ts";
import { HaProxy } from "./haproxy.ts";
import { TestCluster } from "./processes.ts";

const CHUNKED = "Transfer-Encoding: chunked";

/** Ways to say, to one of two readers, that the body is chunked; or how long it is. */
const ENCODINGS: readonly string[] = [
  CHUNKED,
  "Transfer-Encoding : chunked",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding:\x0bchunked",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding: identity, chunked",
  'Transfer-Encoding: "chunked"',
  "Transfer-Encoding: chunk",
  "Transfer-Encoding\r\n : chunked",
  "Transfer-Encoding:\r\n chunked",
  "X: y\nTransfer-Encoding: chunked",
  "X: y\rTransfer-Encoding: chunked",
  "Transfer_Encoding: chunked",
  "transfer-encoding: CHUNKED",
  `${CHUNKED}\r\nTransfer-Encoding: identity`,
  `Transfer-Encoding: identity\r\n${CHUNKED}`,
  "Content-Length: 0",
  "Content-Length: +0",
  "Content-Length: 0x0",
  "Content-Length : 0",
  "Content_Length: 0",
];

let cluster: TestCluster;
let proxy: HaProxy | undefined;

beforeAll(async () => {
  cluster = await TestCluster.create(3);
});

afterAll(async () => {
  await proxy?.stop();
  await cluster?.close();
});

function submitOf(type: string): string {
  const body = JSON.stringify({ type });
  const head = ["POST /api/v1/tasks HTTP/1.1", "Host: localhost", "Content-Type: application/json"];
  return `${[...head, `Content-Length: ${body.length}`].join("\r\n")}\r\n\r\n${body}`;
}

/** What the whole of it is, to a reader of lengths; and to a reader of chunks, the beginning. */
function attack(encoding: string, body: string, length: number, isLast: boolean): string {
  const sizes = [`Content-Length: ${length}`, encoding];
  const head = ["POST /api/v1/tasks HTTP/1.1", "Host: localhost", "Content-Type: application/json"];
  return `${[...head, ...(isLast ? sizes : sizes.reverse())].join("\r\n")}\r\n\r\n${body}`;
}

const attacks = ENCODINGS.flatMap((encoding) =>
  [true, false].flatMap((isLast) => {
    const byLength = (hidden: string) => {
      const body = `0\r\n\r\n${hidden}`;
      return attack(encoding, body, body.length, isLast);
    };
    const byChunks = (hidden: string) => {
      const size = hidden.length.toString(16);
      return attack(encoding, `${size}\r\n${hidden}\r\n0\r\n\r\n`, size.length + 2, isLast);
    };
    return [byLength, byChunks];
  }),
);

needs("haproxy")("nothing is done behind it that was not answered", async () => {
  await cluster.start();
  proxy = await HaProxy.start(cluster);
  const [url] = proxy.restUrls as [string];
  const answered: string[] = [];
  for (const [at, make] of attacks.entries()) {
    const type = `hidden-${at}`;
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.end(Buffer.from(make(submitOf(type)), "latin1"));
    const answer = await text(socket).catch(() => "");
    if (answer.includes(`"type":"${type}"`)) answered.push(type);
    const id = `next-${at}`;
    const next = await fetch(`${url}/api/v1/queues`, { headers: { "x-request-id": id } });
    expect([next.status, next.headers.get("x-request-id")], type).toEqual([200, id]);
    await next.arrayBuffer();
  }
  const listed = await fetch(`${url}/api/v1/tasks?limit=1000`);
  const { tasks } = (await listed.json()) as { tasks: readonly { type: string }[] };
  expect(tasks.map((task) => task.type).sort()).toEqual(answered.sort());
  // An attack that both understand alike is a submit like any other: the test can see one.
  expect(answered.length).toBeGreaterThan(0);
  expect(answered.length).toBeLessThan(attacks.length);
});
