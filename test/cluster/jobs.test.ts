/**
 * A job over many tasks outlives the leader that carries it out, in real processes: the next one goes
 * on where it was, and no task is started again twice. What it starts dies at once a second time,
 * so that a step taken twice would show as a third attempt.
 */
import { connect, type TaskJson } from "task-queue-client";
import { createWorker } from "task-queue-worker";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask } from "./http.ts";
import { type Node, TestCluster, waitFor } from "./processes.ts";

const TASKS = 2_000;
const BATCH = 1_000;
/** A few seconds' worth, in which the leader is killed. */
const PER_SECOND = 400;
const BEFORE_THE_KILL = TASKS / 4;

interface Job {
  readonly id: string;
  readonly state: string;
  readonly matched: number;
  readonly changed: number;
  readonly skipped: number;
}

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.create(3);
  await cluster.start();
}, 120_000);

afterAll(async () => {
  await cluster?.close();
});

async function post<T>(node: Node, path: string, body: object): Promise<T> {
  const url = `http://127.0.0.1:${node.restPort}${path}`;
  const { status, text } = await ask(url, { method: "POST", body, limitMs: 60_000 });
  if (status >= 300) throw new Error(`${path} was answered with ${status}: ${text}`);
  return JSON.parse(text) as T;
}

async function allDead(): Promise<void> {
  await waitFor("all tasks dead", async () => {
    const { tasks } = await (await cluster.leader()).stats();
    return tasks["dead"] === TASKS;
  });
}

/** As the cluster knows it; undefined while nobody can say. */
async function jobOn(node: Node, id: string): Promise<Job | undefined> {
  const answer = await node.get<Job>(`/jobs/${id}`).catch(() => undefined);
  return answer?.status === 200 ? answer.body : undefined;
}

test("a job goes on under the next leader, and does everything once", async () => {
  const worker = createWorker({
    servers: cluster.servers,
    concurrency: 64,
    handlers: {
      work: () => {
        throw new Error("it never works");
      },
    },
  });
  await worker.start();
  const leader = await cluster.leader();
  const tasks = Array.from({ length: BATCH }, () => ({ type: "work", max_retries: 0 }));
  for (let made = 0; made < TASKS; made += BATCH) await post(leader, "/tasks/batch", { tasks });
  await allDead();

  const order = { kind: "retry", filter: { status: "dead" }, per_second: PER_SECOND };
  const { id } = await post<Job>(leader, "/jobs", order);
  const atKill = await waitFor("the middle of the job", async () => {
    const job = await jobOn(leader, id);
    return job !== undefined && job.matched >= BEFORE_THE_KILL && job;
  });
  await leader.kill("SIGKILL");
  expect(atKill).toMatchObject({ state: "running" });
  expect(atKill.matched).toBeLessThan(TASKS);

  const next = await cluster.leader();
  expect(next).not.toBe(leader);
  leader.start();
  const done = await waitFor("the end of the job", async () => {
    const job = await jobOn(next, id);
    return job?.state === "done" && job;
  });
  expect(done).toMatchObject({ matched: TASKS, changed: TASKS, skipped: 0 });

  await cluster.ready();
  await allDead();
  await worker.stop();
  const client = connect({ servers: cluster.servers });
  const attempts = new Map<number, number>();
  for await (const { attempt } of client.list({ status: "dead" }) as AsyncIterable<TaskJson>) {
    attempts.set(attempt, (attempts.get(attempt) ?? 0) + 1);
  }
  await client.close();
  expect(Object.fromEntries(attempts)).toEqual({ 2: TASKS });
  const stats = await cluster.converged();
  expect(new Set(stats.map((each) => each.raft.effect_hash)).size).toBe(1);
}, 300_000);
