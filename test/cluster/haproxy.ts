/** HAProxy with the project's own configuration, moved to the ports of a test. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../ports.ts";
import { exitOf, type Front, type Node, ROOT, type TestCluster, waitFor } from "./processes.ts";

/** Of the nodes in the file, in order. */
const ADDRESSES = ["10.0.1.10", "10.0.1.11", "10.0.1.12"];

export class HaProxy implements Front {
  readonly servers: readonly string[];
  readonly restUrls: readonly string[];
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | string>;
  #output = "";

  private constructor(file: string, workerPort: number, restPort: number) {
    this.servers = [`127.0.0.1:${workerPort}`];
    this.restUrls = [`http://127.0.0.1:${restPort}`];
    this.#child = spawn("haproxy", ["-db", "-f", file], { stdio: ["ignore", "pipe", "pipe"] });
    this.#exit = exitOf(this.#child);
    const note = (chunk: Buffer): void => {
      this.#output += chunk.toString();
    };
    this.#child.stdout?.on("data", note);
    this.#child.stderr?.on("data", note);
    process.once("exit", () => this.#child.kill("SIGKILL"));
  }

  /** Resolves when it has a leader for workers and a ready broker for REST. */
  static async start(cluster: TestCluster): Promise<HaProxy> {
    const [workers, rest, grpc] = [await freePort(), await freePort(), await freePort()];
    const text = readFileSync(join(ROOT, "deploy/haproxy/haproxy.cfg"), "utf8");
    const file = join(cluster.dir, "haproxy.cfg");
    writeFileSync(file, moved(text, cluster.nodes, { 6379: workers, 8080: rest, 9090: grpc }));
    const proxy = new HaProxy(file, workers, rest);
    await waitFor("a way through HAProxy", async () => {
      if (proxy.#child.exitCode !== null) throw new Error(`haproxy ended: ${proxy.#output}`);
      const answer = await fetch(`${proxy.restUrls[0]}/leader`).catch(() => undefined);
      return answer !== undefined && (await answer.text()).includes("leader");
    });
    return proxy;
  }

  get output(): string {
    return this.#output;
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#exit;
  }
}

/** The file, with ports of this machine in place of the brokers' addresses and its own ports. */
function moved(text: string, nodes: readonly Node[], binds: Record<number, number>): string {
  const bound = text.replace(/bind \*:(\d+)/g, (_, port) => `bind 127.0.0.1:${binds[port]}`);
  return bound.replace(/(10\.0\.1\.1\d):(\d+)( check)(?: port 8080)?/g, (_, host, port, check) => {
    const node = nodes[ADDRESSES.indexOf(host)] as Node;
    const target = port === "6379" ? node.port : node.restPort;
    return `127.0.0.1:${target}${check} port ${node.restPort}`;
  });
}
