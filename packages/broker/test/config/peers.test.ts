/** Addresses of other brokers that are none: a check of settings finds them, whoever said them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ConfigError } from "../../src/config/config-error.ts";
import { type ConfigSources, loadConfig } from "../../src/config/load-config.ts";

const ALLOWED =
  "the port is missing; write host:port, id@host:port or id@host:port/busport, " +
  "e.g. node2@10.0.1.11:6379";

function refusal(sources: ConfigSources): string {
  try {
    loadConfig(sources);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ exitStatus: 78 });
    return (error as ConfigError).message;
  }
  throw new Error("it was accepted");
}

test("in a file, with its line", () => {
  const folder = mkdtempSync(join(tmpdir(), "tq-peers-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "c.yaml");
  writeFileSync(file, "raft:\n  node_id: a\n  peers: [b:1, foo]\n");
  const said = refusal({ argv: ["--config", file], env: {} });
  expect(said).toBe(`${file}:3: raft.peers: peer "foo": ${ALLOWED}`);
});

test("in the environment", () => {
  const said = refusal({ argv: [], env: { TQ_RAFT__PEERS: "b:1,foo" } });
  expect(said).toBe(`environment TQ_RAFT__PEERS: raft.peers: peer "foo": ${ALLOWED}`);
});

test("in flags", () => {
  const said = refusal({ argv: ["--peer", "b:1", "--peer", "foo"], env: {} });
  expect(said).toBe(`flag --peer: raft.peers: peer "foo": ${ALLOWED}`);
});

test("a port above which the bus has none", () => {
  const said = refusal({ argv: ["--peer", "b:60000"], env: {} });
  expect(said).toContain('flag --peer: raft.peers: peer "b:60000": the bus port would be 70000');
});
