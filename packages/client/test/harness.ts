/** Clients against real worker ports over a fake cluster. */
import { createServer, connect as dialTcp, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import type { FakeCluster } from "../../broker/test/workers/fake-cluster.ts";
import {
  type AnyTasks,
  type Client,
  type ClientOptions,
  connect,
  type TaskMap,
} from "../src/index.ts";

export { FakeCluster, type FakeNode, key } from "../../broker/test/workers/fake-cluster.ts";
export { openOne, openPort, type TestPort, until } from "../../broker/test/workers/harness.ts";

/** A client that is closed after the test. */
export function client<const M extends TaskMap = AnyTasks>(options: ClientOptions<M>): Client<M> {
  const made = connect(options);
  onTestFinished(async () => {
    await made.close();
  });
  return made;
}

export interface Proxy {
  readonly address: string;
  /** Cuts every connection now. */
  cut(): void;
  /** While true nothing of the broker's reaches the client. */
  mute: boolean;
  connections: number;
}

/** Stands between client and broker, to break connections at a chosen moment. */
export async function openProxy(port: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = dialTcp({ host: "127.0.0.1", port });
    proxy.connections++;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on("data", (chunk) => far.write(chunk));
    far.on("data", (chunk) => {
      if (!proxy.mute) near.write(chunk);
    });
  });
  const proxy = {
    address: "",
    mute: false,
    connections: 0,
    cut(): void {
      for (const socket of sockets) socket.destroy();
    },
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address === "object" && address !== null) proxy.address = `127.0.0.1:${address.port}`;
  onTestFinished(() => {
    proxy.cut();
    server.close();
  });
  return proxy;
}

/** A worker `w` for tasks of type `t`, without a connection. */
export function register(cluster: FakeCluster): void {
  if (cluster.machine.session("w") !== undefined) return;
  cluster.apply({
    type: "register",
    session: "w",
    secret: new Uint8Array(16),
    name: "w",
    queues: [],
    types: ["t"],
    labels: [],
    concurrency: 1,
    version: "1",
    leaseMs: 30_000,
  });
}

/** Runs every pending task to its end, as a worker would. */
export function finishAll(cluster: FakeCluster, result: unknown = "done"): void {
  register(cluster);
  cluster.apply({ type: "lease", session: "w", count: 100 });
  for (const { id, token } of cluster.machine.leases("w")) {
    const bytes = Buffer.from(JSON.stringify(result));
    cluster.apply({ type: "complete", id: id.slice(), token, result: bytes, resultType: "json" });
  }
}
