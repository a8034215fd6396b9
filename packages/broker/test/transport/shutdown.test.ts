/**
 * A node that stops waits for no call. A server that announces its end (GOAWAY) and lets calls run
 * on has them broken by the next keepalive ping, some seconds later (grpc-node #3068); and calls
 * between brokers never end by themselves.
 */
import * as grpc from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { dialClient } from "../../src/transport/dial.ts";
import { encodeHello, HELLO_KEY, RAFT_SERVICE } from "../../src/transport/raft-service.ts";
import { CLUSTER, listen, memberOf, type Node, start, until } from "./harness.ts";

/** Much less than it takes until a ping is due. */
const TURNS = 50;
const open: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.stop();
});

/** A node of two, and the control stream of the other one, made by hand. */
async function nodeWithCall(): Promise<{ node: Node; ended: Promise<grpc.status | undefined> }> {
  const { server, log } = await listen();
  const members = [memberOf("node1", 9), memberOf("node2", server.port)];
  const node = start({ server, log, members, id: "node2" });
  const client = dialClient(`127.0.0.1:${server.port}`);
  open.push({ stop: async () => client.close() }, { stop: () => node.bus.close() });
  const metadata = new grpc.Metadata();
  const from = { clusterId: CLUSTER, nodeId: "node1", incarnation: "node1-incarnation", boot: 1 };
  const hello = { ...from, versionMin: 1, versionMax: 1, to: "node2", revision: 0 };
  metadata.set(HELLO_KEY, encodeHello(hello));
  const { path, requestSerialize, responseDeserialize } = RAFT_SERVICE.control;
  const ended = new Promise<grpc.status | undefined>((resolve) => {
    const call = client.makeClientStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
      (error: grpc.ServiceError | null) => resolve(error?.code),
    );
    call.on("error", () => {});
  });
  await until(() => node.heard.peers.includes("+node1"));
  return { node, ended };
}

test("the end of a server cuts its connections at once, calls under way and all", async () => {
  const { node, ended } = await nodeWithCall();
  expect(node.server.connections).toBeGreaterThan(0);
  const closed = node.server.close();
  for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(node.server.connections).toBe(0);
  expect(await ended).toBeDefined();
  await closed;
});
