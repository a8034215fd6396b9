/**
 * What waits and who works, as the replicated state has it now. Queues with a label of their own
 * are bounded: the deepest; all others share one.
 */
import type { Gauge, Registry } from "prom-client";
import type { Broker } from "../operations/broker.ts";
import { depthOf } from "../operations/queues.ts";
import { PRIORITIES } from "../queue/index.ts";
import { gauge } from "./families.ts";

export type FiguredBroker = Pick<Broker, "counts" | "queues" | "sessions" | "clock">;

/** Queues with a label of their own: the deepest. */
const QUEUES_MAX = 100;
/** All others together; no queue can have this name. */
const OTHER_QUEUES = "(other)";

export function queueFigures(registry: Registry, broker: FiguredBroker): () => void {
  const collectCounts = countFigures(registry, broker);
  const depth = gauge(
    registry,
    "tq_queue_depth",
    `Unfinished tasks of the ${QUEUES_MAX} deepest queues, and of all others; from the leader.`,
    ["queue"],
  );
  const age = gauge(
    registry,
    "tq_queue_oldest_pending_age_seconds",
    "For how long the oldest task has been pending, of the same queues; from the leader.",
    ["queue"],
  );
  const waiting = gauge(
    registry,
    "tq_pending_tasks",
    "Pending tasks by the priority that they were given; from the leader.",
    ["priority"],
  );
  return () => {
    collectCounts();
    const views = broker.queues();
    for (const [at, priority] of PRIORITIES.entries()) {
      waiting.set(
        { priority },
        sumOf(views, (view) => view.pendingByPriority[at]!),
      );
    }
    depth.reset();
    age.reset();
    const now = broker.clock();
    const ageOf = (at: number) => (at === 0 ? 0 : Math.max(0, now - at) / 1_000);
    const queues = views.map((view) => ({ view, depth: depthOf(view.counts) }));
    queues.sort((a, b) => b.depth - a.depth || (a.view.name < b.view.name ? -1 : 1));
    for (const { view, depth: tasks } of queues.slice(0, QUEUES_MAX)) {
      depth.set({ queue: view.name }, tasks);
      age.set({ queue: view.name }, ageOf(view.oldestPendingAt));
    }
    const others = queues.slice(QUEUES_MAX);
    if (others.length === 0) return;
    depth.set(
      { queue: OTHER_QUEUES },
      sumOf(others, (queue) => queue.depth),
    );
    const oldest = others.reduce((age, { view }) => Math.max(age, ageOf(view.oldestPendingAt)), 0);
    age.set({ queue: OTHER_QUEUES }, oldest);
  };
}

function countFigures(registry: Registry, broker: FiguredBroker): () => void {
  const make = (name: string, help: string): Gauge => {
    return gauge(registry, name, `${help}; from the leader.`);
  };
  const pending = make("tq_tasks_pending", "Tasks that could run now");
  const retrying = make("tq_retry_tasks", "Tasks that wait for their next attempt");
  const dead = make("tq_tasks_in_dlq", "Dead tasks that are still kept");
  const connected = make("tq_workers_connected", "Workers with a live session");
  const live = make("tq_worker_active", "The same, as another guide names it");
  const active = make("tq_active_workers", "Workers that run something");
  return () => {
    const counts = broker.counts();
    pending.set(counts.pending);
    retrying.set(counts.retrying);
    dead.set(counts.dead);
    const sessions = broker.sessions().filter(({ lapsed }) => !lapsed);
    connected.set(sessions.length);
    live.set(sessions.length);
    active.set(sessions.filter(({ running }) => running > 0).length);
  };
}

function sumOf<T>(all: readonly T[], numberOf: (one: T) => number): number {
  return all.reduce((sum, one) => sum + numberOf(one), 0);
}
