/**
 * Reads acknowledged tasks back from every node while everything happens to it. A linearizable read
 * that begins after the acknowledgement must show the task; so must a stale read that names the
 * entry the acknowledgement came with. No answer is no lie: a node may refuse, but not be wrong.
 */
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "./http.ts";
import { type Ledger, payloadOf, type Submission } from "./ledger.ts";
import type { Node, TestCluster } from "./processes.ts";

const BETWEEN_MS = 25;
/** One that waits for an answer must not be all there is. */
const READERS_PER_NODE = 3;
/** Half of the reads are of the newest acknowledged tasks, where mistakes are likeliest. */
const NEWEST = 50;
const LIMIT_MS = 3_000;

export interface Readers {
  stop(): Promise<void>;
}

export function readTasks(cluster: TestCluster, ledger: Ledger): Readers {
  let stopped = false;
  const readers = cluster.nodes.flatMap((node) => Array<Node>(READERS_PER_NODE).fill(node));
  const loops = readers.map(async (node) => {
    while (!stopped) {
      const submission = pick(ledger.acknowledged);
      if (submission !== undefined) await readOne(node, ledger, submission);
      await sleep(BETWEEN_MS);
    }
  });
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(loops);
    },
  };
}

function pick(acknowledged: readonly Submission[]): Submission | undefined {
  if (acknowledged.length === 0) return undefined;
  const from = randomInt(2) === 0 ? 0 : Math.max(0, acknowledged.length - NEWEST);
  return acknowledged[randomInt(from, acknowledged.length)];
}

async function readOne(node: Node, ledger: Ledger, submission: Submission): Promise<void> {
  const { id, appliedIndex, seenCompleted } = submission;
  const session = appliedIndex > 0 && randomInt(2) === 0;
  const query = session ? "?consistency=stale" : "";
  const path = `/api/v1/tasks/${id}${query}`;
  const headers = session ? { "x-tq-applied-index": `${appliedIndex}` } : {};
  const answer = await node
    .ask(node.restPort, path, { headers, limitMs: LIMIT_MS })
    .catch(() => undefined);
  if (answer === undefined || answer.status >= 500 || answer.status === 429) return;
  ledger.reads++;
  const what = `a ${session ? `session (${appliedIndex})` : "linearizable"} read of ${id}`;
  const where = `from ${node.id} at entry ${answer.appliedIndex}`;
  const wrong = contradiction(answer, submission, seenCompleted && !session);
  if (wrong !== undefined) ledger.note(`${what} ${where}: ${wrong}`);
  else if (!session && JSON.parse(answer.text).state === "completed") {
    submission.seenCompleted = true;
  }
}

/** Why the answer cannot be true, or undefined. */
function contradiction(
  answer: Answer,
  submission: Submission,
  mustBeCompleted: boolean,
): string | undefined {
  if (answer.status !== 200) return `status ${answer.status} ${answer.text}`;
  const task = JSON.parse(answer.text) as { payload?: unknown; state?: string };
  if (JSON.stringify(task.payload) !== JSON.stringify(payloadOf(submission))) {
    return `the payload is ${JSON.stringify(task.payload)}`;
  }
  if (mustBeCompleted && task.state !== "completed") return `it is ${task.state} again`;
  return undefined;
}
