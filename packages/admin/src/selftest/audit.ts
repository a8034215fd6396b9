/**
 * Whether a cluster has kept what it promised. Whatever was acknowledged is there and was done;
 * what was not may be there or not; nothing is there that nobody asked for, and nothing twice; and
 * after the same entry all brokers have the same state.
 */
import type { TaskJson } from "task-queue-client";
import type { AdminClient } from "../io.ts";
import type { Ledger } from "./ledger.ts";
import { FAULTS_SHOWN } from "./limits.ts";
import { type LoadPayload, QUEUE } from "./load.ts";
import type { NodeState } from "./trial-cluster.ts";

export interface Check {
  readonly check: string;
  readonly passed: boolean;
  readonly detail: string;
}

const PAGE_TASKS = 1_000;

/** Of all tasks that the cluster has, read once nothing changes any more. */
export async function auditTasks(client: AdminClient, ledger: Ledger): Promise<Check[]> {
  const missing = new Map(ledger.acknowledged);
  const undone: string[] = [];
  const wrong: string[] = [];
  const strangers: string[] = [];
  const numbers = new Set<number>();
  for await (const task of client.list({ queue: QUEUE, limit: PAGE_TASKS, payload: true })) {
    const n = (task.payload as LoadPayload).n;
    const promised = missing.delete(task.id);
    if (promised && !(task.state === "completed" && ledger.handled.has(n))) undone.push(task.id);
    if (isDoneWrong(task, n, ledger)) wrong.push(task.id);
    if (numbers.has(n) || !(promised || ledger.isUnanswered(n))) strangers.push(task.id);
    numbers.add(n);
  }
  const { acknowledged } = ledger.totals;
  return [
    checked("every acknowledged task is there", [...missing.keys()], `all ${acknowledged}`),
    checked("each of them was done", undone, "all are completed, and a handler has run for each"),
    checked("each has the result of its own run", wrong, "all results fit their payloads"),
    checked("none was made twice or by nobody", strangers, `${numbers.size} tasks in all`),
  ];
}

/** After the same entry. */
export function auditStates(states: readonly NodeState[]): Check {
  const check = "the brokers' states are the same";
  const hashes = new Set(states.map(({ raft }) => raft.effect_hash));
  const counts = new Set(states.map(({ tasks }) => JSON.stringify(tasks)));
  const passed = hashes.size === 1 && counts.size === 1;
  const index = states[0]?.raft.applied_index;
  const detail = `${[...hashes].join(", ")} after entry ${index} on ${states.length}`;
  return { check, passed, detail: passed ? detail : `they differ: ${detail}` };
}

function isDoneWrong({ id, state, result }: TaskJson, n: number, ledger: Ledger): boolean {
  const given = ledger.acknowledged.get(id);
  if (given !== undefined && given !== n) return true;
  return state === "completed" && result !== n;
}

/** `faults`: ids of tasks for which it is not so. */
function checked(check: string, faults: readonly string[], otherwise: string): Check {
  if (faults.length === 0) return { check, passed: true, detail: otherwise };
  const shown = faults.slice(0, FAULTS_SHOWN).join(", ");
  return { check, passed: false, detail: `not so for ${faults.length}: ${shown}` };
}
