/**
 * The judgement at the end of every drill: when all is healed, every node must be at the same entry
 * with the same effect hash, and hold every acknowledged task exactly once, whole, and finished if
 * it was to be run. Nothing that was refused may be there.
 */
import { payloadOf, type Submission } from "./ledger.ts";
import { type Node, type NodeStats, type TestCluster, waitFor } from "./processes.ts";
import type { Traffic } from "./traffic.ts";

const PAGE = 1_000;
const PAGE_MS = 30_000;
const CONVERGE_MS = 180_000;

interface ListedTask {
  readonly id: string;
  readonly type: string;
  readonly state: string;
  readonly payload?: unknown;
}

export interface Findings {
  readonly acknowledged: number;
  /** Everything that must never be, in words; empty is what a drill wants. */
  readonly wrong: readonly string[];
  /** One line with all figures. */
  readonly summary: string;
}

/** Ends the traffic; all nodes must be running. */
export async function audit(cluster: TestCluster, traffic: Traffic): Promise<Findings> {
  await traffic.end();
  const { ledger } = traffic;
  const readsWrong = ledger.notes.length;
  const stats = await agreed(cluster);
  let lost = 0;
  for (const node of cluster.running) {
    lost += compare(node, await tasksOf(node), traffic);
    const divergence = await node.metric("tq_state_divergence_total");
    if (divergence !== 0) ledger.note(`${node.id} has seen ${divergence} states diverge`);
  }
  const hashes = new Set(stats.map(({ raft }) => raft.effect_hash));
  if (hashes.size !== 1) ledger.note(`effect hashes differ: ${[...hashes].join(", ")}`);
  const acknowledged = ledger.acknowledged.length;
  const refused = [...ledger.refusals].map(([code, count]) => `${count} × ${code}`).join(", ");
  const summary =
    `acknowledged ${acknowledged} (unknown ${ledger.count("unknown")}, refused ` +
    `${ledger.count("refused")}${refused === "" ? "" : `: ${refused}`}), lost ${lost}; ` +
    `reads ${ledger.reads}, wrong ${readsWrong}; ${stats.length} nodes at entry ` +
    `${stats[0]?.raft.applied_index} with effect hash ${[...hashes].join(" ≠ ")}; ` +
    `wrong in all ${ledger.notes.length}`;
  return { acknowledged, wrong: ledger.notes, summary };
}

/** Audits and prints; true when nothing is wrong. */
export async function passes(cluster: TestCluster, traffic: Traffic): Promise<boolean> {
  const { summary, wrong } = await audit(cluster, traffic);
  console.log(summary);
  return wrong.length === 0;
}

/** The stats of all nodes at one and the same entry. */
async function agreed(cluster: TestCluster): Promise<readonly NodeStats[]> {
  return await waitFor(
    "the same applied index on all nodes",
    async () => {
      const stats = await Promise.all(
        cluster.running.map((node) => node.stats().catch(() => undefined)),
      );
      const known = stats.filter((each) => each?.raft !== undefined) as NodeStats[];
      const indexes = new Set(known.map(({ raft }) => raft.applied_index));
      return known.length === stats.length && indexes.size === 1 ? known : undefined;
    },
    CONVERGE_MS,
  );
}

/** Those of these tasks that a node does not hold, says a list of all it has by itself. */
export async function lackedBy(
  node: Node,
  submissions: readonly Submission[],
): Promise<readonly Submission[]> {
  const held = new Set((await tasksOf(node)).map(({ id }) => id));
  return submissions.filter(({ id }) => !held.has(id));
}

/** All tasks as this node has them, each as often as it lists them. */
async function tasksOf(node: Node): Promise<readonly ListedTask[]> {
  const tasks: ListedTask[] = [];
  let cursor: string | undefined;
  do {
    const next = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const path = `/api/v1/tasks?consistency=stale&payload=true&limit=${PAGE}${next}`;
    const { status, text } = await node.ask(node.restPort, path, { limitMs: PAGE_MS });
    if (status !== 200) throw new Error(`${node.id} does not list its tasks: ${text}`);
    const page = JSON.parse(text) as { tasks: ListedTask[]; next_cursor?: string };
    for (const task of page.tasks) tasks.push(task);
    cursor = page.next_cursor;
  } while (cursor !== undefined);
  return tasks;
}

/** Notes whatever is wrong with this node's tasks; the number of acknowledged ones it lacks. */
function compare(node: Node, tasks: readonly ListedTask[], { ledger }: Traffic): number {
  const listed = new Map<string, ListedTask>();
  for (const task of tasks) {
    if (listed.has(task.id)) ledger.note(`${node.id} lists ${task.id} twice`);
    listed.set(task.id, task);
    const submission = ledger.submissions.get(task.id);
    const ours = task.type === "work" || task.type === "keep";
    if (submission === undefined) {
      if (ours) ledger.note(`${node.id} has ${task.id}, which nobody submitted`);
    } else if (submission.outcome === "refused") {
      ledger.note(`${node.id} has ${task.id}, whose submit was refused`);
    }
  }
  let lost = 0;
  for (const submission of ledger.acknowledged) {
    const task = listed.get(submission.id);
    if (task === undefined) lost++;
    const wrong = task === undefined ? "is lost" : defectOf(task, submission);
    if (wrong !== undefined) ledger.note(`on ${node.id} task ${submission.id} ${wrong}`);
  }
  return lost;
}

function defectOf(task: ListedTask, submission: Submission): string | undefined {
  const { type, runs } = submission;
  if (task.type !== type) return `is of type ${task.type} instead of ${type}`;
  if (JSON.stringify(task.payload) !== JSON.stringify(payloadOf(submission))) {
    return `has the payload ${JSON.stringify(task.payload)}`;
  }
  const state = type === "work" ? "completed" : "pending";
  if (task.state !== state) return `is ${task.state} instead of ${state}`;
  if (new Set(runs).size !== runs.length)
    return `was run twice under one token: ${runs.join(", ")}`;
  return undefined;
}
