/**
 * Deliveries on their way to one worker. They are put into frames only as fast as the worker takes
 * them, so that a large window of large payloads is never encoded at once, and a lease that is lost
 * meanwhile is not delivered at all.
 */
import { BATCH_MAX, type DeliveredTask } from "task-queue-protocol";
import type { Delivery, Token } from "../queue/index.ts";
import { DELIVER_FRAME_BYTES } from "./limits.ts";

export class DeliveryQueue {
  #waiting: Delivery[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  push(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) this.#waiting.push(delivery);
  }

  drop(tokens: ReadonlySet<Token>): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter(({ token }) => !tokens.has(token));
  }

  clear(): void {
    this.#waiting = [];
  }

  /** The next frame's tasks; empty when none wait. `now` is cluster time. */
  take(now: number): DeliveredTask[] {
    const tasks: DeliveredTask[] = [];
    let bytes = 0;
    while (tasks.length < BATCH_MAX && tasks.length < this.#waiting.length) {
      const delivery = this.#waiting[tasks.length]!;
      bytes += delivery.payload.length;
      if (tasks.length > 0 && bytes > DELIVER_FRAME_BYTES) break;
      tasks.push(toDeliveredTask(delivery, now));
    }
    if (tasks.length === this.#waiting.length) this.#waiting = [];
    else this.#waiting.splice(0, tasks.length);
    return tasks;
  }
}

function toDeliveredTask(delivery: Delivery, now: number): DeliveredTask {
  return {
    id: delivery.id,
    token: delivery.token,
    attempt: delivery.attempt,
    failures: delivery.failures,
    maxRetries: delivery.maxRetries,
    priority: delivery.priority,
    leaseMs: Math.max(0, delivery.deadline - now),
    timeoutMs: delivery.timeoutMs,
    createdAt: delivery.createdAt,
    type: delivery.type,
    queue: delivery.queue,
    payload: delivery.payload,
    payloadType: delivery.payloadType,
    tags: delivery.tags,
    metadata: delivery.metadata,
    traceparent: delivery.traceparent,
  };
}
