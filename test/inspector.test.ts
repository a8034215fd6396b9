/**
 * Whoever may signal a process must not thereby get to debug it: Node opens its inspector on SIGUSR1,
 * and the inspector runs any code it is sent, on a port that every user of the machine reaches.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "./ports.ts";

interface Program {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<void>;
}

function start(args: readonly string[]): Program {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return { child, output: () => text, ended };
}

/** A program with nothing against it, on a port of its own. */
async function unguarded(): Promise<Program> {
  const script = "console.log('runs'); setInterval(() => {}, 1000)";
  const program = start([`--inspect-port=${await freePort()}`, "-e", script]);
  await expect.poll(program.output).toContain("runs");
  return program;
}

const NOBODY = "127.0.0.1:1";

/** Programs take their names once they are loaded. */
function titleOf({ pid }: ChildProcess): string {
  return spawnSync("ps", ["-o", "args=", "-p", `${pid}`], { encoding: "utf8" }).stdout.trim();
}

test.each([
  ["broker", ["--rest-port", "0", "--grpc-port", "0"]],
  ["worker", ["--broker-addr", NOBODY, "--health-port", "0"]],
  ["admin", ["wait", "leader", "--broker-addr", NOBODY, "--timeout", "5m"]],
] as const)("tq-%s is not debugged", async (name, args) => {
  const folder = mkdtempSync(join(tmpdir(), "tq-signal-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const own = ["--broker-addr", `127.0.0.1:${await freePort()}`, "--data-dir", folder];
  const flags = [`--inspect-port=${await freePort()}`, `packages/${name}/bin/tq-${name}.js`];
  const program = start([...flags, ...args, ...(name === "broker" ? own : [])]);
  const isLoaded = () => titleOf(program.child).startsWith(`tq-${name}`);
  await expect.poll(isLoaded, { timeout: 20_000 }).toBe(true);
  const control = await unguarded();
  program.child.kill("SIGUSR1");
  control.child.kill("SIGUSR1");
  await expect.poll(control.output, { timeout: 20_000 }).toContain("Debugger listening");
  program.child.kill("SIGTERM");
  await program.ended;
  expect(program.output()).not.toMatch(/debugger|inspector/i);
});
