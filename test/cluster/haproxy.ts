/**
 * HAProxy with the project's own configurations, moved to the ports of a test: plain text, or TLS that
 * goes through it and, for REST on one more port, ends in it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CertificateFiles } from "../certificates.ts";
import { freePort } from "../ports.ts";
import { ask } from "./http.ts";
import { exitOf, type Front, type Node, ROOT, type TestCluster, waitFor } from "./processes.ts";

/** Of the nodes in the files, in order. */
const ADDRESSES = ["10.0.1.10", "10.0.1.11", "10.0.1.12"];
const PLAIN = ["haproxy.cfg"];
const TLS = ["haproxy-tls.cfg", "haproxy-tls-rest.cfg"];

export interface ProxyTls {
  /** File with who has signed the brokers' certificates, as far as HAProxy knows. */
  readonly ca: string;
  /** What it shows itself where TLS ends in it. */
  readonly pair: CertificateFiles;
}

export class HaProxy implements Front {
  readonly servers: readonly string[];
  readonly restUrls: readonly string[];
  readonly access: Front["access"];
  /** Behind it, where the brokers' environment has TQ_API__GRPC_PORT. */
  readonly grpcAddress: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | string>;
  #output = "";

  private constructor(files: readonly string[], { nodes }: TestCluster, binds: Binds) {
    const [{ tls, apiKey }] = nodes as [Node];
    const [scheme, rest] = tls === undefined ? ["http", [8080]] : ["https", [8080, 8443]];
    this.access = { tls, apiKey };
    this.servers = [`127.0.0.1:${binds.get(6379)}`];
    this.grpcAddress = `127.0.0.1:${binds.get(9090)}`;
    this.restUrls = rest.map((port) => `${scheme}://127.0.0.1:${binds.get(port)}`);
    const args = ["-db", ...files.flatMap((file) => ["-f", file])];
    this.#child = spawn("haproxy", args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#exit = exitOf(this.#child);
    const note = (chunk: Buffer): void => {
      this.#output += chunk.toString();
    };
    this.#child.stdout?.on("data", note);
    this.#child.stderr?.on("data", note);
    process.once("exit", () => this.#child.kill("SIGKILL"));
  }

  /** Resolves when it runs. */
  static async launch(
    cluster: TestCluster,
    tls?: ProxyTls,
    edit: (text: string) => string = (text) => text,
  ): Promise<HaProxy> {
    const binds: Binds = new Map();
    for (const port of [6379, 8080, 9090, 8443]) binds.set(port, await freePort());
    const papers = tls === undefined ? undefined : writePapers(cluster.dir, tls);
    const files = (tls === undefined ? PLAIN : TLS).map((name) => {
      const text = edit(readFileSync(join(ROOT, "deploy/haproxy", name), "utf8"));
      const file = join(cluster.dir, name);
      const placed = papers === undefined ? text : text.replaceAll("/etc/haproxy/tls", papers);
      writeFileSync(file, moved(placed, cluster.nodes, binds));
      return file;
    });
    return new HaProxy(files, cluster, binds);
  }

  /** Resolves when it has a leader for workers and a ready broker for REST. */
  static async start(
    cluster: TestCluster,
    tls?: ProxyTls,
    edit?: (text: string) => string,
  ): Promise<HaProxy> {
    const proxy = await HaProxy.launch(cluster, tls, edit);
    for (const url of proxy.restUrls) {
      await waitFor("a way through HAProxy", async () => {
        if (proxy.#child.exitCode !== null) throw new Error(`haproxy ended: ${proxy.#output}`);
        const answer = await ask(`${url}/leader`, proxy.access).catch(() => undefined);
        return answer?.text.includes("leader");
      });
    }
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

/** Where it listens instead of the ports in the files. */
type Binds = Map<number, number>;

/** The folder with the files under the names that the configurations give them. */
function writePapers(dir: string, { ca, pair }: ProxyTls): string {
  writeFileSync(join(dir, "ca.crt"), readFileSync(ca));
  const both = [pair.cert, pair.key].map((file) => readFileSync(file, "utf8"));
  writeFileSync(join(dir, "proxy.pem"), both.join(""), { mode: 0o600 });
  return dir;
}

/** The file, with ports of this machine in place of the brokers' addresses and its own ports. */
function moved(text: string, nodes: readonly Node[], binds: Binds): string {
  const bound = text.replace(/bind \*:(\d+)/g, (_, port) => {
    return `bind 127.0.0.1:${binds.get(Number(port))}`;
  });
  const server = /(10\.0\.1\.1\d):(\d+)( check)?(?: port 8080)?/g;
  return bound.replace(server, (_, host, port, check) => {
    const node = nodes[ADDRESSES.indexOf(host)] as Node;
    const targets: Readonly<Record<string, unknown>> = {
      6379: node.port,
      8080: node.restPort,
      9090: node.env["TQ_API__GRPC_PORT"] ?? node.restPort,
    };
    const target = targets[port];
    return `127.0.0.1:${target}${check === undefined ? "" : ` check port ${node.restPort}`}`;
  });
}
