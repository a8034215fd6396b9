/**
 * What an acknowledgement stands on, seen from outside of the program: real brokers under strace,
 * each of whose fsyncs takes long. When the answer to a submit arrives, a majority of them must have
 * come back from an fsync of the log since the submit was sent. strace has written its line by the
 * time that the traced thread goes on, so what an answer rests on can be read when it arrives.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { ask } from "../cluster/http.ts";
import { exitOf, type Node, TestCluster, waitFor } from "../cluster/processes.ts";
import { needs } from "../needs.ts";

const SUBMITS = 12;
/** An answer that waited for none of these would have come long before any ended. */
const FSYNC_MS = 40;
const PATIENCE_MS = 300_000;

describe("an acknowledgement", () => {
  needs("strace")("of three brokers rests on two fsyncs", { timeout: PATIENCE_MS }, async () => {
    expect(await fewestFsyncs(3)).toBeGreaterThanOrEqual(2);
  });

  needs("strace")("of a single broker rests on one", { timeout: PATIENCE_MS }, async () => {
    expect(await fewestFsyncs(1)).toBe(1);
  });

  needs("strace")("rests on none where that was asked for", { timeout: PATIENCE_MS }, async () => {
    expect(await fewestFsyncs(1, { TQ_PERSISTENCE__WAL_SYNC_INTERVAL_MS: "200" })).toBe(0);
  });
});

/**
 * Submits one task after the other, each to the next broker. How many brokers had fsynced their log
 * anew when the answer came, at the least.
 */
async function fewestFsyncs(size: number, env: Node["env"] = {}): Promise<number> {
  const cluster = await TestCluster.create(size);
  const traces: Trace[] = [];
  try {
    for (const node of cluster.nodes) node.env = env;
    await cluster.start();
    for (const node of cluster.nodes) traces.push(await Trace.attach(node, cluster.dir));
    let fewest = size;
    for (let at = 0; at < SUBMITS; at++) {
      const before = traces.map((trace) => trace.fsyncs());
      const behind = () => traces.filter((trace, i) => trace.fsyncs() > (before[i] as number));
      const url = `http://127.0.0.1:${(cluster.nodes[at % size] as Node).restPort}/api/v1/tasks`;
      const answer = await ask(url, { method: "POST", body: { type: "guard", payload: at } });
      fewest = Math.min(fewest, behind().length);
      expect(answer.status, answer.text).toBe(201);
      // What a broker still owes to this submit must not count for the next one.
      await waitFor("an fsync of every broker", () => behind().length === size);
    }
    return fewest;
  } finally {
    for (const trace of traces) await trace.end();
    await cluster.close();
  }
}

const tracers = new Set<ChildProcess>();
process.on("exit", () => {
  for (const tracer of tracers) tracer.kill("SIGKILL");
});

/** Every fsync of one broker, slowed down and written to a file. */
class Trace {
  readonly #tracer: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #file: string;

  private constructor(tracer: ChildProcess, file: string) {
    this.#tracer = tracer;
    this.#ended = exitOf(tracer);
    this.#file = file;
  }

  /** Resolves once every thread is traced. */
  static async attach(node: Node, directory: string): Promise<Trace> {
    const file = join(directory, `${node.id}.strace`);
    const calls = "fdatasync,fsync";
    const slowed = `inject=${calls}:delay_enter=${FSYNC_MS * 1_000}`;
    const args = [
      "-f",
      "-y",
      "-o",
      file,
      "-e",
      `trace=${calls}`,
      "-e",
      slowed,
      "-p",
      `${node.pid}`,
    ];
    const tracer = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
    tracers.add(tracer);
    let said = "";
    tracer.stderr?.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    await waitFor("strace", () => {
      if (tracer.exitCode !== null) throw new Error(`strace ended: ${said}`);
      return /attached/.test(said);
    });
    return new Trace(tracer, file);
  }

  /** Of the log, as many as have succeeded by now. */
  fsyncs(): number {
    const files = new Map<string, string>();
    let count = 0;
    for (const line of readFileSync(this.#file, "utf8").split("\n")) {
      const [, thread = "", file] = /^(\d+) +(?:f(?:data)?sync\(\d+<([^>]*)>)?/.exec(line) ?? [];
      // A call that another thread's has interrupted is named when it begins, not when it ends.
      if (file !== undefined) files.set(thread, file);
      if (!/\) += 0\b/.test(line)) continue;
      if (/\/log\/\d+\.log$/.test(files.get(thread) ?? "")) count++;
    }
    return count;
  }

  async end(): Promise<void> {
    this.#tracer.kill("SIGTERM");
    await this.#ended;
    tracers.delete(this.#tracer);
  }
}
