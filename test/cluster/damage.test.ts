/**
 * Some of the damage matrix, each of its ways to fail at least once: a broker whose files are not
 * what it left takes no notice, heals itself from its peers, or stays down and says what to do. All
 * of it is `npm run drill -- damage`.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { audit } from "./audit.ts";
import { type DamageKind, damageOne, type FileKind, type Verdict } from "./damage.ts";
import { type Node, TestCluster } from "./processes.ts";
import { Traffic } from "./traffic.ts";

const PER_SECOND = 100;

/** What may come of it: at the end of a file, bytes that nobody needs or that others have. */
const CELLS: readonly (readonly [FileKind, DamageKind, readonly Verdict["kind"][]])[] = [
  ["log/*.log", "one bit flipped", ["recovered"]],
  ["log/*.log", "cut to half", ["recovered"]],
  // The last record, if it was acknowledged: only the leader can know.
  ["log/*.log", "torn by 10 bytes", ["recovered", "harmless"]],
  ["log/CURRENT", "deleted", ["recovered"]],
  ["state/*.log", "a page zeroed", ["recovered"]],
  // Zeros are where a log of LevelDB ends; the node's own log has what the state lacks then.
  ["state/*.log", "the last page zeroed", ["recovered", "harmless"]],
  ["state/MANIFEST", "cut to half", ["recovered"]],
  ["state.pointer", "emptied", ["recovered"]],
  ["identity", "one bit flipped", ["harmless"]],
  ["identity", "deleted", ["stayed down"]],
];

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.create(3);
});

afterAll(async () => {
  await cluster?.close();
});

describe("a broker with a damaged file", () => {
  test("serves nothing wrong, and the cluster loses nothing", async () => {
    for (const node of cluster.nodes) node.env = { TQ_RAFT__SNAPSHOT_ENTRIES: "100" };
    await cluster.start();
    const traffic = await Traffic.begin(cluster, PER_SECOND);
    const verdicts: string[] = [];
    const unexpected: string[] = [];
    for (const [turn, [file, damage, allowed]] of CELLS.entries()) {
      const node = cluster.nodes[turn % cluster.nodes.length] as Node;
      const { kind, text } = await damageOne(cluster, traffic, node, file, damage);
      verdicts.push(`${file}, ${damage}: ${kind}; ${text}`);
      if (!allowed.includes(kind)) unexpected.push(verdicts.at(-1) as string);
    }
    expect(unexpected).toEqual([]);
    const findings = await audit(cluster, traffic);
    expect(findings.wrong).toEqual([]);
    expect(verdicts.length).toBe(CELLS.length);
  }, 600_000);
});
