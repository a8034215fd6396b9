/**
 * Through HAProxy with the lines for the PROXY protocol that deploy/haproxy offers: it finds the
 * leader, passes on what applications ask, and brokers see who they are.
 */
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { connect } from "node:net";
import { expect, onTestFinished } from "vitest";
import { callOn, clientOf } from "../../packages/broker/test/grpc/harness.ts";
import { needs } from "../needs.ts";
import { freePort } from "../ports.ts";
import { HaProxy } from "./haproxy.ts";
import { type Node, TestCluster, waitFor } from "./processes.ts";

const BALANCER = "127.0.0.5";
const APPLICATION = "127.0.0.9";
const OFFERED = /# (default-server send-proxy-v2 .*)/g;
const LIMIT_MS = 240_000;

/** As an operator would, but that all machines of this test are one. */
function chosen(text: string): string {
  return text.replace(OFFERED, "$1").replace(/^(backend .*)$/gm, `$1\n    source ${BALANCER}`);
}

/** Lines of all brokers' logs that name the application's address. */
function linesOf(nodes: readonly Node[]): string[] {
  const lines = nodes.flatMap(({ logFile }) => readFileSync(logFile, "utf8").split("\n"));
  return lines.filter((line) => line.includes(APPLICATION));
}

needs("haproxy")("brokers see who is behind it", { timeout: LIMIT_MS }, async () => {
  const cluster = await TestCluster.create(3);
  onTestFinished(() => cluster.close());
  for (const node of cluster.nodes) {
    node.env = {
      TQ_PERSISTENCE__MIN_FREE_DISK: "0",
      TQ_API__GRPC_PORT: `${await freePort()}`,
      TQ_API__PROXY_PROTOCOL_FROM: BALANCER,
    };
  }
  await cluster.start();
  const proxy = await HaProxy.start(cluster, undefined, chosen);
  onTestFinished(() => proxy.stop());
  const [url] = proxy.restUrls;
  const headers = { host: "evil.example" };
  const status = await new Promise((resolve, reject) => {
    const ask = get(`${url}/queues`, { localAddress: APPLICATION, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    ask.on("error", reject);
  });
  expect(status).toBe(421);
  const isToldOf = (words: string) => async () => {
    return linesOf(cluster.nodes).some((line) => line.includes(words)) || undefined;
  };
  await waitFor("a line of REST", isToldOf("evil.example"));
  const [host, port] = proxy.servers[0]!.split(":") as [string, string];
  // TLS to a port without: the worker port says whose it was.
  const stranger = connect({ host, port: Number(port), localAddress: APPLICATION });
  stranger.on("error", () => undefined);
  onTestFinished(() => void stranger.destroy());
  stranger.write(Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]));
  await waitFor("a line of the worker port", isToldOf("a TLS handshake"));
  const client = clientOf(Number(proxy.grpcAddress.split(":")[1]));
  onTestFinished(() => client.close());
  const { code } = await callOn(client, "SubmitTask", { task: { type: "t" } });
  expect(code).toBe("OK");
});
